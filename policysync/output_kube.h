/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as Events of their pods, for "kubectl describe pod": High and above, one Event for each
 * pod, detector and ten minutes, whose count rises. A hint for people: the server forgets Events
 * after an hour, so nothing here is worth waiting for. What is past the rate, or not taken by the
 * server, is counted and passed over; only a server that is away is waited for. The name of an
 * Event follows from what it is about, so replicas and restarts write the same one. Thread: the
 * output's (blocks). Ceilings: OUTPUT_KUBE_SLOTS Events remembered (an older one gives way and is
 * found again by its name), OUTPUT_KUBE_PER_MINUTE writes.
 */
#include "common/kube/client.h"
#include "policysync/metrics.h"
#include "policysync/output.h"

#define OUTPUT_KUBE_SLOTS      1024
#define OUTPUT_KUBE_PER_MINUTE 60

struct output_kube_settings {
	struct pw_kube_settings kube;
	struct pw_metrics *metrics; /* NULL = none */
};

int output_kube_new(const struct output_kube_settings *settings, struct output *ret,
	struct pw_err *err) PW_MUST_CHECK;
