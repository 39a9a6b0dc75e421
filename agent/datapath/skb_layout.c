// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the running kernel keeps in its struct sk_buff what BPF programs are not shown, read from
 * the kernel's own BTF. Without that (CONFIG_DEBUG_INFO_BTF off, a locked-down kernel) the layout
 * stays empty, and the programs do without.
 */
#include <bpf/btf.h>
#include <linux/if_ether.h>
#include "datapath/internal.h"

enum { BITS = 8 };

struct field {
	uint32_t bit; /* in struct sk_buff */
	uint32_t bits;
};

/* The fields lie in unnamed structs and unions, in some kernels several deep. */
static bool find_field(const struct btf *btf, const struct btf_type *type, const char *name,
		       uint32_t base, struct field *ret)
{
	const struct btf_member *member = btf_members(type);

	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const char *its_name = btf__name_by_offset(btf, member[i].name_off);
		uint32_t bit = base + btf_member_bit_offset(type, i);
		const struct btf_type *inner;

		if (its_name && !strcmp(its_name, name)) {
			ret->bit = bit;
			ret->bits = btf_member_bitfield_size(type, i);
			if (!ret->bits)
				ret->bits = (uint32_t)btf__resolve_size(btf, member[i].type) * BITS;
			return true;
		}
		inner = btf__type_by_id(btf, member[i].type);
		if (its_name && !*its_name && inner && btf_is_composite(inner) &&
		    find_field(btf, inner, name, bit, ret))
			return true;
	}
	return false;
}

static int find_layout(const struct btf *btf, struct pl_skb_layout *ret)
{
	enum { IP_SUMMED, CSUM_START, CSUM_OFFSET, MAC_HEADER, FIELDS };
	static const struct {
		const char *name;
		uint32_t bits;
	} wanted[FIELDS] = {
		{"ip_summed", 2}, {"csum_start", 16}, {"csum_offset", 16}, {"mac_header", 16}};
	int id = btf__find_by_name_kind(btf, "sk_buff", BTF_KIND_STRUCT);
	uint32_t first = UINT32_MAX, last = 0;
	struct field field[FIELDS];

	if (id < 0)
		return -ENOENT;
	for (size_t i = 0; i < FIELDS; i++) {
		if (!find_field(btf, btf__type_by_id(btf, (uint32_t)id), wanted[i].name, 0,
				&field[i]) ||
		    field[i].bits != wanted[i].bits)
			return -ENOENT;
		if (field[i].bit / BITS < first)
			first = field[i].bit / BITS;
		if ((field[i].bit + field[i].bits - 1) / BITS > last)
			last = (field[i].bit + field[i].bits - 1) / BITS;
	}
	/* The programs read the fields where they lie in the copy, each at its own alignment. */
	first &= ~7u;
	if (last + 1 - first > PL_SKB_WINDOW_MAX)
		return -E2BIG;
	*ret = (struct pl_skb_layout){
		.window = (uint16_t)first,
		.window_bytes = (uint16_t)(last + 1 - first),
		.ip_summed = (uint16_t)(field[IP_SUMMED].bit / BITS - first),
		.ip_summed_shift = (uint8_t)(field[IP_SUMMED].bit % BITS),
		.csum_start = (uint16_t)(field[CSUM_START].bit / BITS - first),
		.csum_offset = (uint16_t)(field[CSUM_OFFSET].bit / BITS - first),
		.mac_header = (uint16_t)(field[MAC_HEADER].bit / BITS - first),
	};
	return 0;
}

int dp_skb_layout(struct pl_skb_layout *ret)
{
	struct btf *btf;
	int r;

	*ret = (struct pl_skb_layout){0};
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -errno;
	r = find_layout(btf, ret);
	btf__free(btf);
	return r;
}
