/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Endpoint records from foreign bytes: a file may be torn or tampered with. What is refused must
 * say why; what is accepted must be written as it was read, and name a file inside its folder.
 */
#include "common/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s does not hold (line %d)\n", #cond, __LINE__);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void check_path(const struct pl_record *r)
{
	static const char folder[] = "/r/endpoints/";
	char path[512];

	CHECK(pl_record_path("/r", r->container_id, r->ifname, path, sizeof(path)) == 0);
	CHECK(strncmp(path, folder, strlen(folder)) == 0);
	CHECK(!strchr(path + strlen(folder), '/'));
	CHECK(path[strlen(folder)] != '.');
	CHECK(strlen(path + strlen(folder)) <= 255 - strlen(".bad"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pl_autojson json_t *j = NULL, *out = NULL, *again = NULL;
	struct pl_record record, back;
	struct pl_error err = {0};

	if (pl_json_load((const char *)data, size, &j, NULL) < 0)
		return 0;
	if (pl_record_from_json(j, &record, &err) < 0) {
		CHECK(*err.text && err.code < 0);
		return 0;
	}
	check_path(&record);
	out = pl_record_to_json(&record);
	CHECK(out);
	CHECK(pl_record_from_json(out, &back, NULL) == 0);
	again = pl_record_to_json(&back);
	CHECK(json_equal(out, again));
	CHECK(record.n_addrs == back.n_addrs);
	CHECK(memcmp(record.addrs, back.addrs, sizeof(back.addrs)) == 0);
	return 0;
}
