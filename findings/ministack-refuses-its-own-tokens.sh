#!/usr/bin/env bash
# Expected: a token of a user pool of ministack's is believed by an HTTP API of ministack's whose JWT authorizer names that pool, as
# installed from PyPI.
# So instead: ministack 1.5.33 does not require the package `cryptography`. Without it the token endpoint answers 200 with a token all
# the same, and the authorizer answers 401 to it, with no word of why in either answer. With it the same request gets past the authorizer.
# For us: tests/servers/ministack installs it, or the example with Cognito could not be tried.
# Seen on November 30, 2026.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common"

need python3
python3 -m venv "$work/venv" || { echo "cannot be tried here: python3 has no venv" >&2; exit 2; }
install() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@" || { echo "cannot be tried here: no packages" >&2; exit 2; }; }
install ministack==1.5.33 boto3==1.43.106

cat >"$work/ask.py" <<'END'
import base64, json, os, socket, subprocess, sys, time, urllib.error, urllib.parse, urllib.request

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL": url,
    "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "MINISTACK_HOST": "localhost",
}
import boto3

with subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "ministack")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
    try:
        while True:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        users, apis = boto3.client("cognito-idp"), boto3.client("apigatewayv2")
        pool = users.create_user_pool(PoolName="pool")["UserPool"]["Id"]
        users.create_resource_server(UserPoolId=pool, Identifier="api", Name="api", Scopes=[{"ScopeName": "read", "ScopeDescription": "read"}])
        client = users.create_user_pool_client(
            UserPoolId=pool, ClientName="client", GenerateSecret=True, AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthFlowsUserPoolClient=True, AllowedOAuthScopes=["api/read"],
        )["UserPoolClient"]
        api = apis.create_api(Name="api", ProtocolType="HTTP")["ApiId"]
        apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        authorizer = apis.create_authorizer(
            ApiId=api, Name="jwt", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": f"https://cognito-idp.eu-central-1.amazonaws.com/{pool}", "Audience": [client["ClientId"]]},
        )["AuthorizerId"]
        # Nothing is behind the route: whoever gets past the authorizer hears 500.
        apis.create_route(ApiId=api, RouteKey="GET /x", AuthorizationType="JWT", AuthorizerId=authorizer, AuthorizationScopes=["api/read"])

        login = base64.b64encode(f"{client['ClientId']}:{client['ClientSecret']}".encode()).decode()
        form = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
        answer = urllib.request.urlopen(urllib.request.Request(f"{url}/oauth2/token", form, {"authorization": f"Basic {login}"}))
        token = json.loads(answer.read())["access_token"]
        asked = urllib.request.Request(f"{url}/_aws/execute-api/{api}/$default/x", headers={"authorization": f"Bearer {token}"})
        try:
            status = urllib.request.urlopen(asked).status
        except urllib.error.HTTPError as error:
            status = error.code
        print(f"{sys.argv[1]}: the token endpoint answers {answer.status}, the API {status}")
    finally:
        server.terminate()
END
seen=$("$work/venv/bin/python" "$work/ask.py" "without cryptography")
install cryptography==50.0.2
seen+=$'\n'$("$work/venv/bin/python" "$work/ask.py" "with cryptography")
verdict 'without cryptography: the token endpoint answers 200, the API 401
with cryptography: the token endpoint answers 200, the API 500' "$seen"
