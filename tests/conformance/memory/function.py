def handler(data, context):
    kept = [bytearray(b"1") * (1 << 20) for _ in range(data["mb"])]
    return "fine" if len(kept) == data["mb"] else "odd"
