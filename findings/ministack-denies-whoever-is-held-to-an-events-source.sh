#!/usr/bin/env bash
# Expected: with AUTH=true ministack checks policies as AWS does: who may `events:PutEvents` on condition that `events:source` is theirs
# may put such an event, and no other.
# So instead: ministack 1.5.33 gives that condition key no value, so a policy with it allows nothing, and the event of the right source
# is refused with AccessDeniedException like any other. Without the condition it is accepted.
# For us: senders and the relay are held to their source by that condition (docs/operations/access.md), so tests/bring-up runs without AUTH,
# and what IAM allows stays untried.
# Seen on November 30, 2026.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common"

need python3
python3 -m venv "$work/venv" || { echo "cannot be tried here: python3 has no venv" >&2; exit 2; }
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106 ||
  { echo "cannot be tried here: no packages" >&2; exit 2; }

seen=$("$work/venv/bin/python" - <<'END'
import json, os, socket, subprocess, sys, time

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
root = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
os.environ |= {
    "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AUTH": "true",
    "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "MINISTACK_HOST": "localhost",
}
import boto3
from botocore.exceptions import ClientError

with subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "ministack")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
    try:
        while True:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        bus = boto3.client("events", **root).create_event_bus(Name="bus")["EventBusArn"]
        iam = boto3.client("iam", **root)
        for name, more in [("free", {}), ("held", {"Condition": {"StringEquals": {"events:source": "shop/acme"}}})]:
            iam.create_user(UserName=name)
            policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus, **more}]}
            iam.put_user_policy(UserName=name, PolicyName="put", PolicyDocument=json.dumps(policy))
            key = iam.create_access_key(UserName=name)["AccessKey"]
            events = boto3.client("events", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
            try:
                failed = events.put_events(Entries=[{"EventBusName": "bus", "Source": "shop/acme", "DetailType": "x", "Detail": "{}"}])["FailedEntryCount"]
                print(f"{name}: {failed} failed")
            except ClientError as error:
                print(f"{name}: {error.response['Error']['Code']}")
    finally:
        server.terminate()
END
)
verdict 'free: 0 failed
held: AccessDeniedException' "$seen"
