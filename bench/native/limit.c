// What this machine's vector unit can do with LANES (4 or 8) floats at a time, measured in C beside the bench
// (bench/native.ts compiles it). `limit WORK N` prints one number, the median of some runs:
//   muladd N     G operations/s of N rounds of independent multiplies and adds
//   read N       G floats/s of reading the same N floats again and again, N a multiple of 64
//   STEP N       G parameters/s of an optimizer's step over N parameters, N a multiple of 8; the steps are listed below
// `limit STEP N COUNT` writes the N parameters after COUNT steps instead, as they lie in memory.
#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float vec __attribute__((vector_size(4 * LANES)));

#if LANES == 8
#define SQRT _mm256_sqrt_ps
#define MAX _mm256_max_ps
#else
#define SQRT _mm_sqrt_ps
#define MAX _mm_max_ps
#endif

enum { RUNS = 9, SUMS = 10, LOADS = 8 };

// Parameters, gradients, an optimizer's state, and the number of the step, from 1.
struct arrays {
  float *p, *g, *v, *m, *b;
  long t;
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

// Everybody's options (bench/contestant.ts).
static const float RATE = 1e-3f, MU = 0.9f, EPS = 1e-8f, CENTERED_EPS = 1e-3f;

// What a form of RMSProp changes in v ← decay·v + rest·g²; p ← p − rate·g / √(v + eps).
enum {
  CENTERED = 1 << 0,
  MOMENTUM = 1 << 1,
  PRODUCT = 1 << 2,     // v ← decay·v + (rest·g)·g
  LERP = 1 << 3,        // v ← v + rest·(g² − v)
  MEAN_LERP = 1 << 4,   // m ← m + rest·(g − m)
  OUTSIDE = 1 << 5,     // √v + eps
  EPS_IN_MEAN = 1 << 6, // √(v − (m² + eps)): centered only
  RECIPROCAL = 1 << 7,  // times 1 / √(v + eps)
  RATE_AFTER = 1 << 8,  // rate · (g / √(v + eps))
  RATE_LAST = 1 << 9,   // the rate is a factor of the momentum
  NEGATIVE = 1 << 10,   // p ← p + (−rate·…)
  COUPLED = 1 << 11,    // weight decay in the gradient, of weight 0
  ROUNDED = 1 << 12,    // rest is 1 − float(decay)
  FROM_ONE = 1 << 13,   // v starts at 1
  SUM = 1 << 14,        // v ← v + g²
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

// `form` is a constant where this is called, so each step below is a loop of its own.
ALWAYS_INLINE void rmsprop(struct arrays a, long n, int form) {
  const float decay = 0.9f, rest = form & ROUNDED ? 1 - decay : 0.1f;
  const float eps = form & CENTERED ? CENTERED_EPS : EPS, rate = form & NEGATIVE ? -RATE : RATE;
  const int rate_last = form & RATE_LAST && form & MOMENTUM;
  for (long i = 0; i < n; i += LANES) {
    vec g = *(vec *)(a.g + i), p = *(vec *)(a.p + i), v = *(vec *)(a.v + i);
    if (form & COUPLED) g += 0.0f * p;
    if (form & SUM) v += g * g;
    else if (form & PRODUCT) v = decay * v + rest * g * g;
    else if (form & LERP) v += rest * (g * g - v);
    else v = decay * v + rest * (g * g);
    *(vec *)(a.v + i) = v;
    vec scale = v;
    if (form & CENTERED) {
      vec m = *(vec *)(a.m + i);
      if (form & MEAN_LERP) m += rest * (g - m);
      else m = decay * m + rest * g;
      *(vec *)(a.m + i) = m;
      scale -= form & EPS_IN_MEAN ? m * m + eps : m * m;
    }
    if (!(form & (OUTSIDE | EPS_IN_MEAN))) scale += eps;
    vec root = SQRT(scale);
    if (form & OUTSIDE) root += eps;
    vec update = form & RATE_AFTER || rate_last ? g : rate * g;
    update = form & RECIPROCAL ? update * (1 / root) : update / root;
    if (form & RATE_AFTER) update *= rate;
    if (form & MOMENTUM) {
      update += MU * *(vec *)(a.b + i);
      *(vec *)(a.b + i) = update;
    }
    if (rate_last) update *= rate;
    *(vec *)(a.p + i) = form & NEGATIVE ? p + update : p - update;
  }
}

enum { DECOUPLED = 1, AMSGRAD = 2 };

ALWAYS_INLINE void adam_step(struct arrays a, long n, int form) {
  const float rest1 = 1 - 0.9, decay2 = 0.999, rest2 = 1 - 0.999, factor = 1 - 1e-3 * 0.01;
  const float rate = 1e-3 / (1 - pow(0.9, a.t)), correction = sqrt(1 - pow(0.999, a.t));
  for (long i = 0; i < n; i += LANES) {
    const vec g = *(vec *)(a.g + i);
    vec p = *(vec *)(a.p + i), v = *(vec *)(a.v + i), m = *(vec *)(a.m + i);
    if (form & DECOUPLED) p *= factor;
    m += rest1 * (g - m);
    v = decay2 * v + rest2 * g * g;
    *(vec *)(a.m + i) = m;
    *(vec *)(a.v + i) = v;
    if (form & AMSGRAD) v = *(vec *)(a.b + i) = MAX(*(vec *)(a.b + i), v);
    *(vec *)(a.p + i) = p - rate * m / (SQRT(v) / correction + EPS);
  }
}

ALWAYS_INLINE void sgd_step(struct arrays a, long n, int form) {
  for (long i = 0; i < n; i += LANES) {
    vec update = *(vec *)(a.g + i);
    if (form & MOMENTUM) update = *(vec *)(a.b + i) = MU * *(vec *)(a.b + i) + update;
    *(vec *)(a.p + i) -= RATE * update;
  }
}

// Each dialect's forms without and with a momentum buffer: X(name, loop, form).
#define UNBUFFERED(X, name, form) X(name, rmsprop, form) X(name##_centered, rmsprop, (form) | CENTERED)
#define BUFFERED(X, name, form)                  \
  X(name##_momentum, rmsprop, (form) | MOMENTUM) \
  X(name##_centered_momentum, rmsprop, (form) | MOMENTUM | CENTERED)
#define BOTH(X, name, form) UNBUFFERED(X, name, form) BUFFERED(X, name, form)

#define STEPS(X)                                                                            \
  BOTH(X, lanewise, 0)                                                                      \
  BOTH(X, pytorch, PRODUCT | MEAN_LERP | OUTSIDE | RATE_LAST)                               \
  BOTH(X, keras2, RECIPROCAL)                                                               \
  UNBUFFERED(X, tf_keras_legacy, ROUNDED | OUTSIDE)                                         \
  BUFFERED(X, tf_keras_legacy, ROUNDED | LERP | MEAN_LERP)                                  \
  BUFFERED(X, tf1, ROUNDED | LERP | MEAN_LERP | FROM_ONE)                                   \
  BOTH(X, optax, RECIPROCAL | RATE_AFTER | NEGATIVE)                                        \
  X(tfjs_centered_momentum, rmsprop, EPS_IN_MEAN | MOMENTUM | CENTERED)                                                            \
  X(mxnet1, rmsprop, ROUNDED | COUPLED | RATE_AFTER)                                        \
  X(mxnet1_centered_momentum, rmsprop, ROUNDED | COUPLED | PRODUCT | NEGATIVE | MOMENTUM | CENTERED) \
  X(mxnet2, rmsprop, ROUNDED | COUPLED | OUTSIDE)                                           \
  X(mxnet2_centered_momentum, rmsprop, ROUNDED | COUPLED | NEGATIVE | MOMENTUM | CENTERED)  \
  BUFFERED(X, paddle, ROUNDED | PRODUCT)                                                    \
  BOTH(X, timm, LERP | MEAN_LERP | FROM_ONE)                                                \
  X(adagrad, rmsprop, SUM | OUTSIDE)                                                        \
  X(adam, adam_step, 0)                                                                     \
  X(adamw, adam_step, DECOUPLED)                                                            \
  X(amsgrad, adam_step, AMSGRAD)                                                            \
  X(sgd, sgd_step, 0)                                                                       \
  X(sgd_momentum, sgd_step, MOMENTUM)

#define FUNCTION(name, loop, form) \
  static void name(struct arrays a, long n) { loop(a, n, form); }
STEPS(FUNCTION)
#define WORK(name, loop, form) {#name, name, 1, (form) & FROM_ONE ? 1 : 0},

static const struct {
  const char *name;
  void (*run)(struct arrays, long);
  int counted;   // per unit of N
  float start_v; // what v holds before the first step
} works[] = {{"muladd", multiply_add, SUMS * LANES * 2, 0}, {"read", read_all, 1, 0}, STEPS(WORK)};

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
  const long n = argc >= 3 ? atol(argv[2]) : 0;
  for (size_t w = 0; n > 0 && w < sizeof works / sizeof *works; w++) {
    if (strcmp(argv[1], works[w].name)) continue;
    struct arrays a = {0};
    if (works[w].run != multiply_add) {
      float **all[] = {&a.p, &a.g, &a.v, &a.m, &a.b};
      for (int j = 0; j < 5; j++) *all[j] = aligned_alloc(64, (n * 4 + 63) / 64 * 64);
      for (long i = 0; i < n; i++) {
        a.p[i] = i % 7, a.g[i] = i % 13 - 6.5f, a.v[i] = works[w].start_v, a.m[i] = a.b[i] = 0;
      }
    }
    if (argc == 4) {
      for (a.t = 1; a.t <= atol(argv[3]); a.t++) works[w].run(a, n);
      return fwrite(a.p, sizeof *a.p, n, stdout) != (size_t)n;
    }
    const long repeats = n < 4000000 ? 4000000 / n : 1;
    double rates[RUNS];
    a.t = 1;
    works[w].run(a, n);
    for (int run = 0; run < RUNS; run++) {
      const double start = seconds();
      for (long r = 0; r < repeats; r++, a.t++) works[w].run(a, n);
      rates[run] = (double)repeats * n * works[w].counted / (seconds() - start) * 1e-9;
    }
    qsort(rates, RUNS, sizeof *rates, ascending);
    printf("%.4f\n", rates[RUNS / 2]);
    return 0;
  }
  fprintf(stderr, "usage: limit WORK N, or limit STEP N COUNT\n");
  return 2;
}
