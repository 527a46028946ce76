"""The peer without isolation: Google's Functions Framework for Python."""
import functions_framework


@functions_framework.http
def hello(request):
    """One POST, one JSON answer."""
    return {"greeting": f"Hello, {request.get_json()['name']}!"}
