"""Makes calls with Tencent's official SDK and prints what came of each.

Standard input holds a JSON object: `endpoint` (host:port), `secret_id`, `secret_key`, perhaps `token`, and `calls`, a
list of `{"service", "action", "region", "parameters"}`, perhaps with `"unsigned": true`. Standard output gets a JSON list: for each call the answer as
the SDK's models understood it, or `{"Error": <code>}`.
"""

import importlib
import json
import sys

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

VERSIONS = {"vpc": "v20170312", "sts": "v20180813", "region": "v20220627"}


def answer(credential, profile, call):
    service = call["service"]
    package = f"tencentcloud.{service}.{VERSIONS[service]}"
    models = importlib.import_module(f"{package}.models")
    client_type = getattr(importlib.import_module(f"{package}.{service}_client"), f"{service.capitalize()}Client")
    request = getattr(models, f"{call['action']}Request")()
    request.from_json_string(json.dumps(call["parameters"]))
    client = client_type(credential, call["region"], profile)
    try:
        if call.get("unsigned"):
            options = {"SkipSign": True}
            return client.call_json(call["action"], call["parameters"], options=options)["Response"]
        return json.loads(getattr(client, call["action"])(request).to_json_string())
    except TencentCloudSDKException as error:
        return {"Error": error.get_code()}


def main():
    order = json.load(sys.stdin)
    credential = Credential(order["secret_id"], order["secret_key"], order.get("token"))
    http = HttpProfile(protocol="http", endpoint=order["endpoint"], reqTimeout=20)
    profile = ClientProfile(signMethod="TC3-HMAC-SHA256", httpProfile=http)
    json.dump([answer(credential, profile, call) for call in order["calls"]], sys.stdout)


main()
