// DPDK's rte_acl over the filters and packets of a file, with every instruction set that this processor has.
//
// Usage: rte_acl FILE. The file is native-endian: two uint32 counts, then the filters and the packets as the structs below.
// Prints the build's seconds as a line of JSON. Then, for each line of its input, a line of JSON: for each instruction set the
// best of several passes and how many packets hit a filter.
//
// Build: cc -O2 -march=native rte_acl.c $(pkg-config --cflags --libs libdpdk)
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_acl.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#define PASSES 3
#define BATCH 256
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct filter {
	uint32_t client, server;
	uint8_t client_length, server_length, protocol, protocol_mask;
	uint16_t first_port, last_port;
};

struct packet {
	uint32_t client, server;
	uint16_t port;
	uint8_t protocol, unused;
};

// What a classifier is given: fields of four bytes each, in network byte order.
struct key {
	uint8_t protocol;
	uint8_t unused[3];
	uint32_t client, server;
	uint16_t client_port, server_port;
} __attribute__((packed));

enum { PROTOCOL, CLIENT, SERVER, CLIENT_PORT, SERVER_PORT, FIELDS };

static const struct rte_acl_field_def fields[FIELDS] = {
	{.type = RTE_ACL_FIELD_TYPE_BITMASK, .size = 1, .field_index = PROTOCOL, .input_index = 0,
	 .offset = offsetof(struct key, protocol)},
	{.type = RTE_ACL_FIELD_TYPE_MASK, .size = 4, .field_index = CLIENT, .input_index = 1,
	 .offset = offsetof(struct key, client)},
	{.type = RTE_ACL_FIELD_TYPE_MASK, .size = 4, .field_index = SERVER, .input_index = 2,
	 .offset = offsetof(struct key, server)},
	{.type = RTE_ACL_FIELD_TYPE_RANGE, .size = 2, .field_index = CLIENT_PORT, .input_index = 3,
	 .offset = offsetof(struct key, client_port)},
	{.type = RTE_ACL_FIELD_TYPE_RANGE, .size = 2, .field_index = SERVER_PORT, .input_index = 3,
	 .offset = offsetof(struct key, server_port)},
};

RTE_ACL_RULE_DEF(rule, FIELDS);

static void fail(const char *what)
{
	fprintf(stderr, "rte_acl: %s\n", what);
	exit(1);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (!memory)
		fail("out of memory");
	return memory;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static struct rule rule_of(const struct filter *filter, uint32_t number)
{
	struct rule rule = {.data = {.category_mask = 1, .priority = number + 1, .userdata = number + 1}};
	rule.field[PROTOCOL].value.u8 = filter->protocol;
	rule.field[PROTOCOL].mask_range.u8 = filter->protocol_mask;
	rule.field[CLIENT].value.u32 = filter->client;
	rule.field[CLIENT].mask_range.u32 = filter->client_length;
	rule.field[SERVER].value.u32 = filter->server;
	rule.field[SERVER].mask_range.u32 = filter->server_length;
	rule.field[CLIENT_PORT].mask_range.u16 = UINT16_MAX;
	rule.field[SERVER_PORT].value.u16 = filter->first_port;
	rule.field[SERVER_PORT].mask_range.u16 = filter->last_port;
	return rule;
}

int main(int argc, char **argv)
{
	char *eal[] = {"rte_acl", "--no-huge", "-m", "8192", "--no-pci", "-l", "0", "--no-telemetry", "--log-level=3"};
	if (rte_eal_init(COUNT(eal), eal) < 0)
		fail("the environment does not start");
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	uint32_t counts[2];
	if (!file || fread(counts, sizeof(counts), 1, file) != 1)
		fail("usage: rte_acl FILE");
	struct filter *filters = allocate(counts[0], sizeof(*filters));
	struct packet *packets = allocate(counts[1], sizeof(*packets));
	if (fread(filters, sizeof(*filters), counts[0], file) != counts[0] ||
	    fread(packets, sizeof(*packets), counts[1], file) != counts[1])
		fail("the file is cut off");

	struct rte_acl_param parameters = {
		.name = "rows", .socket_id = SOCKET_ID_ANY, .rule_size = RTE_ACL_RULE_SZ(FIELDS), .max_rule_num = counts[0]};
	struct rte_acl_ctx *context = rte_acl_create(&parameters);
	if (!context)
		fail("no context");
	for (uint32_t number = 0; number < counts[0]; number++) {
		struct rule rule = rule_of(&filters[number], number);
		if (rte_acl_add_rules(context, (struct rte_acl_rule *)&rule, 1))
			fail("a rule is refused");
	}
	struct rte_acl_config config = {.num_categories = 1, .num_fields = FIELDS};
	for (int field = 0; field < FIELDS; field++)
		config.defs[field] = fields[field];
	double began = now();
	if (rte_acl_build(context, &config))
		fail("the build fails");
	printf("%.6f\n", now() - began);
	fflush(stdout);

	struct key *keys = allocate(counts[1], sizeof(*keys));
	const uint8_t **data = allocate(counts[1], sizeof(*data));
	uint32_t *results = allocate(counts[1], sizeof(*results));
	for (uint32_t number = 0; number < counts[1]; number++) {
		const struct packet *packet = &packets[number];
		keys[number] = (struct key){.protocol = packet->protocol,
					    .client = htonl(packet->client),
					    .server = htonl(packet->server),
					    .server_port = htons(packet->port)};
		data[number] = (const uint8_t *)&keys[number];
	}
	const struct {
		const char *name;
		enum rte_acl_classify_alg algorithm;
	} algorithms[] = {{"scalar", RTE_ACL_CLASSIFY_SCALAR},
			  {"sse", RTE_ACL_CLASSIFY_SSE},
			  {"avx2", RTE_ACL_CLASSIFY_AVX2},
			  {"avx512x16", RTE_ACL_CLASSIFY_AVX512X16},
			  {"avx512x32", RTE_ACL_CLASSIFY_AVX512X32}};
	while (getchar() == '\n') {
		const char *separator = "";
		printf("{");
		for (size_t one = 0; one < COUNT(algorithms); one++) {
			if (rte_acl_set_ctx_classify(context, algorithms[one].algorithm))
				continue;
			double best = 1e9;
			for (int pass = 0; pass < PASSES; pass++) {
				began = now();
				for (uint32_t first = 0; first < counts[1]; first += BATCH) {
					uint32_t left = counts[1] - first;
					if (rte_acl_classify(context, data + first, results + first,
							     left < BATCH ? left : BATCH, 1))
						fail("a look-up fails");
				}
				double took = now() - began;
				best = took < best ? took : best;
			}
			uint32_t hits = 0;
			for (uint32_t number = 0; number < counts[1]; number++)
				hits += results[number] != 0;
			printf("%s\"%s\": {\"per_second\": %.0f, \"hits\": %" PRIu32 "}", separator, algorithms[one].name,
			       counts[1] / best, hits);
			separator = ", ";
		}
		printf("}\n");
		fflush(stdout);
	}
	return 0;
}
