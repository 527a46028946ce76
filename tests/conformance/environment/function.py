import os


def handler(data, context):
    return {
        "key": os.environ["API_KEY"],
        "empty": os.environ["EMPTY"],
        "words": os.environ["WORDS"],
        "from_context": context["env"]["API_KEY"],
        "of_the_service": os.environ.get("CLOUDBOX_ADMIN_TOKEN"),
    }
