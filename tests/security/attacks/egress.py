import os
import ssl
import urllib.error
import urllib.request


def use_urllib(data):
    context = ssl.create_default_context(cadata=data.get("authority"))
    with urllib.request.urlopen(data["url"], context=context) as response:
        return {"status": response.status, "text": response.read().decode()}


def use_requests(data):
    import requests

    verify = True
    if "authority" in data:
        verify = "/tmp/authority.pem"
        with open(verify, "w") as file:
            file.write(data["authority"])
    response = requests.request("POST" if "body" in data else "GET", data["url"], data=data.get("body"), verify=verify)
    return {"status": response.status_code, "text": response.text}


def use_context(data, http):
    """The platform's own."""
    if "authority" in data:
        os.environ["SSL_CERT_FILE"] = "/tmp/context.pem"
        with open("/tmp/context.pem", "w") as file:
            file.write(data["authority"])
    url = data["url"]
    return {"status": 200, "text": http.post(url, data["body"]) if "body" in data else http.get(url)}


def handler(data, context):
    try:
        if data["client"] == "context":
            return use_context(data, context.http)
        return {"urllib": use_urllib, "requests": use_requests}[data["client"]](data)
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}
