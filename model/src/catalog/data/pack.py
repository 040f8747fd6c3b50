#!/usr/bin/env python3
"""Packs the EC2 facts into the files beside this script.

usage: pack.py FOLDER FIRST_SEEN ADVISOR_2024

FOLDER holds the CSV files that README.md names; FIRST_SEEN is a CSV of instance type and the date of the
first release of Karpenter's documentation that lists it; ADVISOR_2024 is the Spot Advisor's file of February
2024. Output: types.csv, zones.csv and regions/REGION.csv.gz, byte for byte the same for the same input.
"""

import csv
import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path

FOLDER, FIRST_SEEN, ADVISOR_2024 = map(Path, sys.argv[1:])
HERE = Path(__file__).parent

TYPE_COLUMNS = """instance_type category generation arch cpu_manufacturer cpu_sustained_mhz hypervisor bare_metal
burstable current_generation vcpus cores threads_per_core memory_mib default_card_enis ipv4_per_eni branch_enis
karpenter_network_mbps ebs_optimized ebs_max_mbps instance_store_gb local_nvme_gb gpu_manufacturer gpu_name gpu_count
gpu_memory_mib_each accelerator_kind accelerator_manufacturer accelerator_name accelerator_count neuron_cores_each
efa_interfaces encryption_in_transit""".split()
SOURCES = {
    "karpenter": "k",
    "ec2shop": "e",
    "aws-gpu": "g",
    "us-east-1-parity": "p",
    "karpenter-dedicated": "K",
    "us-east-1-parity-dedicated": "P",
}


def rows(name):
    with open(FOLDER / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_types():
    guest = {row["instance_type"]: row["guest_total_memory_mib"] for row in rows("guest-memory.csv")}
    seen = dict(line.split(",") for line in FIRST_SEEN.read_text().split())
    types = sorted(rows("instance-types.csv"), key=lambda row: row["instance_type"])
    with open(HERE / "types.csv", "w", encoding="utf-8") as file:
        print(*TYPE_COLUMNS, "spot", "guest_memory_mib", "first_seen", "as_of", sep=",", file=file)
        for row in types:
            name = row["instance_type"]
            spot = "true" if "spot" in row["usage_classes"].split("|") else "false"
            # A retired type that no documentation lists was there from the beginning.
            unlisted = "" if row["status"] == "retired" else row["as_of"]
            extra = [spot, guest.get(name, ""), seen.get(name, unlisted), row["as_of"]]
            print(*(row[column] for column in TYPE_COLUMNS), *extra, sep=",", file=file)


def write_regions():
    cells = defaultdict(dict)
    zonal = defaultdict(list)
    for row in rows("offerings.csv"):
        cells[row["region"], row["instance_type"]]["offered"] = [row["zones"], row["as_of"]]
    for row in rows("prices-on-demand.csv"):
        key = row["region"], row["instance_type"]
        source = SOURCES[row["source"]]
        cells[key]["od"] = [row["usd_per_hour"], row["price_date"], source, row["karpenter_table_usd_per_hour"]]
    for row in rows("prices-spot.csv"):
        key = row["region"], row["instance_type"]
        if row["zone"]:
            zonal[key].append(row["zone"][-1] + row["usd_per_hour"])
        else:
            cells[key]["spot"] = [row["usd_per_hour"]]
    for key, prices in zonal.items():
        cells[key]["zonal"] = ["|".join(sorted(prices))]
    for row in rows("spot-advisor.csv"):
        key = row["region"], row["instance_type"]
        cells[key]["advice"] = [row["interruption_band"], row["savings_pct"]]
    for region, systems in json.loads(ADVISOR_2024.read_text())["spot_advisor"].items():
        for name, advice in systems.get("Linux", {}).items():
            cells[region, name]["advice_2024"] = [str(advice["r"]), str(advice["s"])]
    files = defaultdict(list)
    for (region, name), cell in sorted(cells.items()):
        parts = [("offered", 2), ("od", 4), ("spot", 1), ("zonal", 1), ("advice", 2), ("advice_2024", 2)]
        fields = [field for part, width in parts for field in cell.get(part, [""] * width)]
        files[region].append(",".join([name, *fields]))
    (HERE / "regions").mkdir(exist_ok=True)
    header = (
        "instance_type,zones,offered_as_of,on_demand,price_date,source,karpenter,spot,spot_2022,band,savings_pct,"
        "band_2024,savings_pct_2024"
    )
    for region, lines in files.items():
        text = "\n".join([header, *lines, ""])
        (HERE / "regions" / f"{region}.csv.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def write_zones():
    with open(HERE / "zones.csv", "w", encoding="utf-8") as file:
        print("region", "zone", "zone_id", sep=",", file=file)
        for row in sorted(rows("zones.csv"), key=lambda row: row["zone"]):
            print(row["region"], row["zone"], row["zone_id"], sep=",", file=file)


write_types()
write_regions()
write_zones()
