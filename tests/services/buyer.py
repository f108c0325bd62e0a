"""A program that buys answers from a server, to be killed or run in parallel with another."""

BUYER = """
import json, sys
sys.path.insert(0, {root!r})
import yaml
from scripts.common.job import Job, entered
from scripts.services.client import Call, Client, Response

with open("results/run_config.yaml") as file:
    job = entered(Job(config=yaml.safe_load(file)))
job.__enter__()
client = Client("llm/test", "m", sys.argv[1], "TEST_SERVICE_KEY")

def call(number):
    async def send(cut):
        found = await client.post("/v1", json.dumps({{"number": number}}).encode(), {{}})
        return Response(found["text"], {{"output token": 4}}, "m-1")
    return Call({{"number": number}}, send)

results = client.ask([call(number) for number in range({count})], "test")
print(json.dumps([result.value for result in results]))
"""
