#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The three services over mutual TLS: alerts arrive, strangers are told why not, certificates are renewed.

Needs neither root nor BPF: the collector replays integration/replay/attacks.pwrec.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from cases import check, check_equal, main  # noqa: E402
from rig import ROOT, Rig, wait_until  # noqa: E402

RECORDING = os.path.join(ROOT, "integration", "replay", "attacks.pwrec")
NODE = "replay"


def tls_rig(options):
    rig = Rig(options.bin, node=NODE, tls=True)
    rig.services["collector"].argv += ["--replay", RECORDING]
    return rig


def replay(rig, seconds=30):
    """One run of the collector to its end; its log of that run."""
    service = rig.services["collector"]
    before = len(service.log_text())
    service.start()
    code = service.process.wait(seconds)
    service.process = None
    return code, service.log_text()[before:]


def number_of_alerts(rig):
    return len(rig.spooled())


def alerts_arrive_over_mutual_tls(options):
    with tls_rig(options) as rig:
        rig.start("policysync", "analyzer")
        code, log = replay(rig)
        check_equal(code, 0, f"exit code of the replay: {log[-300:]}")
        wait_until(lambda: number_of_alerts(rig) >= 3, 20, "three alerts")
        for name in ("policysync", "analyzer"):
            expires = rig.metric_sum(name, f"podward_{name}_tls_certificate_expires_timestamp_seconds")
            check(expires > 1.7e9, f"{name}: the certificate expires at {expires}")


def start_with_certificate_of(rig, identity):
    """The collector of this node, with somebody else's certificate."""
    rig.start("policysync", "analyzer")
    rig.certs.issue(identity)
    service = rig.services["collector"]
    own, other = (rig.certs.path(i, "") for i in (rig.identities["collector"], identity))
    service.argv = [a.replace(own, other) for a in service.argv] + ["--analyzer", rig.address("analyzer")]
    service.start()
    return service


def refused_as_its_node(options, identity):
    with tls_rig(options) as rig:
        service = start_with_certificate_of(rig, identity)
        for words in ("hello.node: the certificate names another node or none",
                      "PERMISSION_DENIED: node: the certificate names another node or none"):
            wait_until(lambda w=words: w in service.log_text(), 20, f'"{words}" in the log')
        wait_until(lambda: rig.metrics("analyzer").get(
            'podward_analyzer_ingest_rejected_total{reason="hello"}', 0) >= 1, 20, "the refusal to be counted")
        check_equal(rig.metric_sum("analyzer", "podward_analyzer_ingest_batches_total"), 0, "batches taken")


def a_collector_may_speak_for_its_own_node_only(options):
    refused_as_its_node(options, "collector/other")


def a_certificate_that_names_no_node_speaks_for_none(options):
    refused_as_its_node(options, "collector")


def unless_it_is_meant_for_all_of_its_role(options):
    with tls_rig(options) as rig:
        for name in ("policysync", "analyzer"):
            rig.services[name].argv.append("--tls-shared-certificates")
        start_with_certificate_of(rig, "collector")
        wait_until(lambda: number_of_alerts(rig) >= 3, 30, "three alerts")


def roles_are_not_interchangeable(options):
    with tls_rig(options) as rig:
        service = start_with_certificate_of(rig, "analyzer/analyzer-1")
        for words in ("analyzer analyzer-1 may not call Watch", "analyzer analyzer-1 may not call Stream"):
            wait_until(lambda w=words: w in service.log_text(), 20, f'"{words}" in the log')
        wait_until(lambda: rig.metrics("policysync").get(
            'podward_policysync_rpc_refused_total{reason="role"}', 0) >= 1, 20, "the refusal to be counted")


def certificates_are_renewed_under_way(options):
    with tls_rig(options) as rig:
        rig.start("policysync", "analyzer")
        replay(rig)
        wait_until(lambda: number_of_alerts(rig) >= 3, 20, "three alerts")
        rig.certs.issue(*rig.identities.values())
        wait_until(lambda: rig.metrics("analyzer").get(
            'podward_analyzer_tls_reloads_total{result="adopted"}', 0) >= 1, 20, "the analyzer to renew")
        with open(rig.certs.path("analyzer/analyzer-0", ".pem"), "w", encoding="ascii") as f:
            f.write("-----BEGIN CERTIFICATE-----\nhalf")
        wait_until(lambda: rig.metrics("analyzer").get(
            'podward_analyzer_tls_reloads_total{result="refused"}', 0) >= 1, 20, "the analyzer to refuse junk")
        before = rig.metric_sum("analyzer", "podward_analyzer_ingest_batches_total")
        replay(rig)
        wait_until(lambda: rig.metric_sum("analyzer", "podward_analyzer_ingest_batches_total") > before, 20,
                   "batches after the renewal")


if __name__ == "__main__":
    main(__doc__, [alerts_arrive_over_mutual_tls, a_collector_may_speak_for_its_own_node_only,
                   a_certificate_that_names_no_node_speaks_for_none, unless_it_is_meant_for_all_of_its_role,
                   roles_are_not_interchangeable, certificates_are_renewed_under_way], certs.why_not)
