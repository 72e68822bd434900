// What this machine's vector unit can do with LANES (4 or 8) floats at a time, measured in C beside the bench
// (bench/native.ts compiles it). `limit WORK N` prints one number, the median of some runs:
//   muladd N     G operations/s of N rounds of independent multiplies and adds
//   read N       G floats/s of reading the same N floats again and again, N a multiple of 64
//   and G parameters/s of a step over N parameters, N a multiple of 8, of
//   rmsprop, rmsprop-centered-momentum, sgd, sgd-momentum
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float vec __attribute__((vector_size(4 * LANES)));

#if LANES == 8
#define SQRT _mm256_sqrt_ps
#else
#define SQRT _mm_sqrt_ps
#endif

enum { RUNS = 9, SUMS = 10, LOADS = 8 };

// Parameters, gradients, and an optimizer's state.
struct arrays {
  float *p, *g, *v, *m, *b;
};

// Ten sums hide the latency of an add, and stay in registers if every loop over them is unrolled; the empty asm keeps
// the compiler from fusing, hoisting or dropping anything.
static void multiply_add(struct arrays unused, long n) {
  (void)unused;
  vec sum[SUMS], x = (vec){} + 0.5f;
  const vec y = (vec){} + 0.25f;
  for (int i = 0; i < SUMS; i++) sum[i] = (vec){};
  while (n--) {
    for (int i = 0; i < SUMS; i++) {
      vec product = x * y;
      __asm__ volatile("" : "+x"(product), "+x"(x));
      sum[i] += product;
    }
  }
  for (int i = 0; i < SUMS; i++) __asm__ volatile("" ::"x"(sum[i]));
}

// Into registers that nobody reads.
static void read_all(struct arrays a, long n) {
  for (long i = 0; i < n; i += LOADS * LANES) {
    for (int j = 0; j < LOADS; j++) {
      const vec value = *(const vec *)(a.p + i + j * LANES);
      __asm__ volatile("" ::"x"(value));
    }
  }
}

// The flags are constants where this is called, so each optimizer below is a loop of its own.
static inline __attribute__((always_inline)) void step(struct arrays a, long n, int rms, int centered, int momentum) {
  const float lr = 1e-3f, decay = 0.9f, rest = 0.1f, eps = centered ? 1e-3f : 1e-8f, mu = 0.9f;
  for (long i = 0; i < n; i += LANES) {
    const vec g = *(vec *)(a.g + i);
    vec update = g;
    if (rms) {
      const vec v = decay * *(vec *)(a.v + i) + rest * (g * g);
      vec scale = v;
      *(vec *)(a.v + i) = v;
      if (centered) {
        const vec m = decay * *(vec *)(a.m + i) + rest * g;
        *(vec *)(a.m + i) = m;
        scale -= m * m;
      }
      update = lr * g / SQRT(scale + eps);
    }
    if (momentum) {
      update += mu * *(vec *)(a.b + i);
      *(vec *)(a.b + i) = update;
    }
    *(vec *)(a.p + i) -= rms ? update : lr * update;
  }
}

static void rmsprop(struct arrays a, long n) { step(a, n, 1, 0, 0); }
static void rmsprop_centered_momentum(struct arrays a, long n) { step(a, n, 1, 1, 1); }
static void sgd(struct arrays a, long n) { step(a, n, 0, 0, 0); }
static void sgd_momentum(struct arrays a, long n) { step(a, n, 0, 0, 1); }

static const struct {
  const char *name;
  void (*run)(struct arrays, long);
  int counted; // per unit of N
} works[] = {
    {"muladd", multiply_add, SUMS * LANES * 2},
    {"read", read_all, 1},
    {"rmsprop", rmsprop, 1},
    {"rmsprop-centered-momentum", rmsprop_centered_momentum, 1},
    {"sgd", sgd, 1},
    {"sgd-momentum", sgd_momentum, 1},
};

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  const long n = argc == 3 ? atol(argv[2]) : 0;
  for (size_t w = 0; n > 0 && w < sizeof works / sizeof *works; w++) {
    if (strcmp(argv[1], works[w].name)) continue;
    struct arrays a = {0};
    if (works[w].run != multiply_add) {
      float **all[] = {&a.p, &a.g, &a.v, &a.m, &a.b};
      for (int j = 0; j < 5; j++) *all[j] = aligned_alloc(64, (n * 4 + 63) / 64 * 64);
      for (long i = 0; i < n; i++) a.p[i] = i % 7, a.g[i] = i % 13 - 6.5f, a.v[i] = 1, a.m[i] = a.b[i] = 0;
    }
    const long repeats = n < 4000000 ? 4000000 / n : 1;
    double rates[RUNS];
    works[w].run(a, n);
    for (int run = 0; run < RUNS; run++) {
      const double start = seconds();
      for (long r = 0; r < repeats; r++) works[w].run(a, n);
      rates[run] = (double)repeats * n * works[w].counted / (seconds() - start) * 1e-9;
    }
    qsort(rates, RUNS, sizeof *rates, ascending);
    printf("%.4f\n", rates[RUNS / 2]);
    return 0;
  }
  fprintf(stderr, "usage: limit WORK N\n");
  return 2;
}
