/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The maps of policysync are those of common/base/map.h. Thread: the map owner's. */
#include "common/base/map.h"
