def handler(data, context):
    return {
        "method": context["method"],
        "path": context["path"],
        "test": context["headers"]["x-test"],
        "query": context["query"],
        "name": context["functionName"],
        "project": context["projectId"],
        "version": context["version"],
        "has_id": len(context["invocationId"]) > 8,
        "has_time": context["timestamp"].startswith("20"),
    }
