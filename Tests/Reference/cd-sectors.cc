// Makes raw sectors with cdrdao's encoder: of a file of 2048-byte blocks, or, without one, prints
// the digests that RawSectorTests has.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "lec.h"

static void encode(uint32_t block, uint8_t *sector) {
    // Its addresses count from 00:00:00.
    lec_encode_mode1_sector(block + 150, sector);
}

static void digest(uint32_t block) {
    uint8_t sector[2352];
    for (int number = 0; number < 4; number++) {
        uint64_t state = (uint64_t(block) + number + 1) * 0x9e3779b97f4a7c15;
        for (int word = 0; word < 64; word++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            memcpy(sector + 16 + number * 512 + word * 8, &state, 8);
        }
    }
    encode(block, sector);
    uint64_t sum = 0xcbf29ce484222325;
    for (uint8_t byte : sector) sum = (sum ^ byte) * 0x100000001b3;
    printf("0x%016llx\n", (unsigned long long)sum);
}

int main(int count, char **arguments) {
    if (count == 1) {
        for (uint32_t block : {0, 16, 4350, 71999, 449849}) digest(block);
        return 0;
    }
    FILE *blocks = fopen(arguments[1], "rb");
    FILE *sectors = fopen(arguments[2], "wb");
    if (!blocks || !sectors) return 1;
    uint8_t sector[2352];
    for (uint32_t block = 0; fread(sector + 16, 2048, 1, blocks) == 1; block++) {
        encode(block, sector);
        if (fwrite(sector, 2352, 1, sectors) != 1) return 1;
    }
    return fclose(sectors) != 0;
}
