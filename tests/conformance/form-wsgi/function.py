def application(environ, start_response):
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [environ["HTTP_X_AGENT"].encode(), b" ", environ["wsgi.input"].read()]
