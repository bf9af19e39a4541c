/* One piece of the kernel's work at a time, for callgrind; prints how many pieces it was. */
#include <stdio.h>

#include "many.h"
#include "space.h"

enum { MOST = 64 };

typedef struct {
    Net net;
    int32_t start[2][MOST + 1], place[2][4 * MOST], weight[4 * MOST], none[MOST + 1];
    int32_t touch_start[2 * MOST + 1], touch[4 * MOST], cells[2 * MOST], order[MOST];
    unsigned char external[MOST];
    int ends[2];
} Made;

static void arc(Made *made, int side, int place) { made->place[side][made->ends[side]++] = place; }

static void end(Made *made) {
    int t = (int)++made->net.transitions;
    made->start[0][t] = made->ends[0];
    made->start[1][t] = made->ends[1];
}

static void finish(Made *made, int places) {
    Net *net = &made->net;
    int used = 0;
    for (int i = 0; i < 4 * MOST; i++) made->weight[i] = 1;
    net->places = places;
    net->take = (Rows){made->start[0], made->place[0], made->weight};
    net->put = (Rows){made->start[1], made->place[1], made->weight};
    net->needs = net->lacks = net->clear = (Rows){made->none, made->weight, made->weight};
    for (int p = 0; p < places; p++) {
        made->touch_start[p] = used;
        for (int t = 0; t < net->transitions; t++)
            for (int k = made->start[0][t]; k < made->start[0][t + 1]; k++)
                if (made->place[0][k] == p) made->touch[used++] = t;
    }
    made->touch_start[places] = used;
    net->touch_start = made->touch_start;
    net->touch = made->touch;
    net->sources = made->none;
    net->external = made->external;
}

static void ring(Made *made, int size, int every) {
    for (int i = 0; i < size; i++) {
        int from = i * 7 % size; /* 7 has no factor of the sizes used here */
        arc(made, 0, from);
        arc(made, 1, (from + 1) % size);
        end(made);
        made->cells[i] = i % every == 0;
    }
    finish(made, size);
}

static void fork_join(Made *made, int width) {
    arc(made, 0, 0);
    for (int i = 1; i <= width; i++) arc(made, 1, i);
    end(made);
    for (int i = 1; i <= width; i++) {
        arc(made, 0, i);
        arc(made, 1, i + width);
        end(made);
    }
    for (int i = 1; i <= width; i++) arc(made, 0, i + width);
    arc(made, 1, 0);
    end(made);
    made->cells[0] = 1;
    finish(made, 2 * width + 1);
}

static void branches(Made *made, int width) {
    for (int i = 0; i < width; i++) {
        arc(made, 0, 2 * i);
        arc(made, 1, 2 * i + 1);
        end(made);
        made->cells[2 * i] = 1;
    }
    finish(made, 2 * width);
}

int main(int count, char **arguments) {
    static Made made;
    const char *run = count > 1 ? arguments[1] : "";
    int64_t pieces = 100000;
    if (!strcmp(run, "states") || !strcmp(run, "records")) {
        Space space;
        branches(&made, 13);
        if (!space_make(&space, &made.net, 1, made.cells, made.external, *run == 'r', 1, 1 << 20,
                        1 << 30))
            return 1;
        while (space_work(&space, 1 << 20, false)) {
        }
        pieces = (int64_t)space.count;
        space_free(&space);
    } else if (!strcmp(run, "enabled")) {
        static uint64_t cases[1 << 14], found[1 << 14];
        Packing packing;
        pieces = count > 2 ? 1 : 1 << 14;
        branches(&made, 32);
        if (!packing_make(&packing, &made.net, 1)) return 1;
        for (int i = 0; i < pieces; i++) cases[i] = (uint64_t)i * 0x9E3779B97F4A7C15u;
        enabled_words(&packing, &made.net, cases, pieces, found, false);
        packing_free(&packing);
    } else {
        Plans plans;
        int64_t fired;
        if (!strcmp(run, "ring")) ring(&made, 10, 10);
        else if (!strcmp(run, "fork")) fork_join(&made, 10);
        else if (!strcmp(run, "counts")) ring(&made, 40, 4);
        else return 2;
        if (!plans_make(&plans, &made.net, made.order)) return 1;
        if (settle(&plans, made.cells, pieces, &fired, false) != LIMIT) return 1;
        plans_free(&plans);
    }
    printf("%lld\n", (long long)pieces);
    return 0;
}
