import json


def init_context(context):
    setattr(context.user_data, "greeting", "Hello")


def handler(context, event):
    context.logger.info("reading")
    if event.path.endswith("/made"):
        return context.Response(body=json.dumps({"got": event.body["name"]}), headers={"x-kind": "made"},
                                content_type="application/json", status_code=201)
    return context.user_data.greeting + " " + event.body["name"]
