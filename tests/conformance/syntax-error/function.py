# The
# third line is wrong.
def handler(data, context:
    return 1
