config = {"env_required": ["API_KEY", "DATABASE_URL", "OTHER"]}


def handler(data, context):
    return "never"
