"""Reads numbers as Prometheus does and prints them as JSON: {"name{label=value}": number}.

Usage: openmetrics.py URL. Ends with an error at anything that the specification does not allow.
"""

import json
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with urllib.request.urlopen(sys.argv[1]) as response:
    content_type = response.headers["Content-Type"]
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8", content_type
    text = response.read().decode()

numbers = {}
for family in text_string_to_metric_families(text):
    assert family.documentation, f"{family.name} is not explained"
    assert family.type != "unknown", f"{family.name} is of no type"
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
        numbers[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
print(json.dumps(numbers))
