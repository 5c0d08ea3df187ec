/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Definitions of the wire -> our structs, unchecked; slices point into the message. For the decoder
 * and for whatever else reads an EventBatch back. Thread: any.
 */
#include "common/wire/batch.h"
#include "podward/v1/event.pb-c.h"

static inline struct pw_slice pw_wire_slice(ProtobufCBinaryData d)
{
	return pw_slice_of(d.data, d.len);
}

struct pw_container_def pw_container_def_of(const Podward__V1__ContainerDef *c);
struct pw_process_def pw_process_def_of(const Podward__V1__ProcessDef *p);
