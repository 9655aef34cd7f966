"""Answers everything, and writes down what it was asked: an application of WSGI."""
import json, os, posixpath

LOG = open(os.environ["ORIGIN_LOG"], "a", buffering=1)


def application(environ, start_response):
    environ["wsgi.input"].read()
    path = posixpath.normpath(environ["PATH_INFO"])
    LOG.write(json.dumps({"method": environ["REQUEST_METHOD"], "target": environ["RAW_URI"], "path": path}) + "\n")
    start_response("200 OK", [("content-length", "3")])
    return [b"ok\n"]
