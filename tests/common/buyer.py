"""A program that buys answers from a server, to be killed or run beside another one."""

BUYER = """
import json, sys
sys.path.insert(0, {root!r})
from scripts.common.calls import Call, Client, Got

client = Client("llm/test", "m", sys.argv[1], "TEST_SERVICE_KEY")

def call(number):
    async def send(cut):
        found = await client.post("/v1", json.dumps({{"number": number}}).encode(), {{}})
        return Got(found["text"], {{"output token": 4}}, "m-1")
    return Call({{"number": number}}, send)

results = client.ask([call(number) for number in range({count})], "test")
print(json.dumps([result.value for result in results]))
"""
