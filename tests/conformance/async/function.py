import asyncio


async def later(value):
    await asyncio.sleep(0.001)
    return value


async def handler(data, context):
    return {"sum": sum(await asyncio.gather(*map(later, range(data["n"]))))}
