def handler(data, context):
    params = context.get("params") or {}
    if params:
        assert context.params["id"] == params["id"]
    return {"id": params.get("id"), "name": params.get("name"), "data": data}
