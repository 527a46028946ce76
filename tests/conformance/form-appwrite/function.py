def main(context):
    context.log("Hello, Logs!")
    if context.req.method == "GET":
        return context.res.text("Hello, World!")
    if context.req.path == "/there":
        return context.res.redirect("/elsewhere", 302)
    return context.res.json({"motto": "Build like a team of hundreds_", "got": context.req.body_json}, 201, {"X-A": "b"})
