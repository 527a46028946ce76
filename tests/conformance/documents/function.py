async def handler(data, context):
    users = context.db.project.entities.users
    if data.get("fail"):
        await users.create({"id": "one"})
        codes = []
        for attempt in (lambda: users.create({"id": "one"}), lambda: users.find_many({"age": {"$regex": "x"}})):
            try:
                await attempt()
            except Exception as error:
                codes.append(error.code)
        await users.delete("one")
        return codes
    john = await users.create({"name": "John", "age": 36, "address": {"city": "Oslo"}})
    await users.create({"id": "123", "name": "Ada", "age": 28})
    await users.create({"name": "Bo", "age": 40.5})
    ada = await users.find_one({"id": "123"})
    older = await users.findMany({"age": {"$gt": 30}})
    ordered = await users.find_many({}, sort="-age", limit=1)
    changed = await users.update("123", {"age": 29})
    counts = [
        await users.count(), await users.count({"age": {"$gte": 36}}), await users.count({"address.city": "Oslo"}),
    ]
    return {
        "created": [john["name"], john["address"]["city"], len(john["id"]) > 10, john["created_at"] == john["updated_at"]],
        "found": [ada["id"], ada["name"]],
        "missing": await users.find_one("nobody"),
        "older": [user["name"] for user in older],
        "sorted": [user["name"] for user in ordered],
        "changed": [changed["age"], changed["name"]],
        "counts": counts,
        "deleted": [await users.delete("123"), await users.delete("123"), await users.delete_many({})],
        "left": len(await users.find_many()),
    }
