/* test_module.c - kernels/module.c: what is no backend of this build is not used, and says why. */
#include "kernels/module.h"

#include <string.h>

#include "tests/lib/suite.h"

static const struct tally_backend *const UNTOUCHED = &tally_backend_ref;

static void check_refused(const char *driver, const char *library, enum tally_status want,
                          const char *why)
{
    const struct tally_backend *b = UNTOUCHED;

    ck_assert_int_eq(tally_module_load(&b, driver, library), want);
    ck_assert_msg(strstr(tally_why(), why) != NULL, "%s", tally_why());
    ck_assert_ptr_eq(b, UNTOUCHED);
}

START_TEST(without_driver_or_library_it_is_undecided)
{
    check_refused("libno-such-driver.so.1", TALLY_TEST_MODULE, TALLY_E_UNDECIDED,
                  "libno-such-driver.so.1");
    check_refused(NULL, "./libno-such-backend.so", TALLY_E_UNDECIDED, "libno-such-backend.so");
}
END_TEST

START_TEST(another_object_or_another_build_is_refused)
{
    check_refused(NULL, "libm.so.6", TALLY_E_LIB, "has no tally_backend_module_1");
    check_refused(NULL, TALLY_TEST_MODULE_OLD, TALLY_E_LIB, "of another build: version 0");
    check_refused(NULL, TALLY_TEST_MODULE_SHORT, TALLY_E_LIB, "bytes, not 1 and");
}
END_TEST

START_TEST(a_backend_of_this_build_is_loaded_and_works)
{
    const float numbers[] = {1, -2.5F};
    const struct tally_backend *b = NULL;
    double back[2];

    ck_assert_msg(tally_module_load(&b, "libm.so.6", TALLY_TEST_MODULE) == TALLY_OK, "%s",
                  tally_why());
    ck_assert_str_eq(b->name, "cuda");
    void *reals = b->alloc(2);
    b->put(reals, numbers, 2);
    b->get(back, reals, 2);
    ck_assert_ptr_null(b->failed());
    ck_assert_int_eq(tally_backend_check(b), TALLY_OK);
    ck_assert_double_eq_tol(back[0], 1, 1e-300);
    ck_assert_double_eq_tol(back[1], -2.5, 1e-300);
    b->release(reals);
}
END_TEST

/* The vendor's library with no device: its own word for it. On a machine with one, it starts. */
START_TEST(the_vendor_s_library_starts_or_names_its_error)
{
#if defined(TALLY_TEST_CUDA_LIBRARY)
    const struct tally_backend *b = UNTOUCHED;
    enum tally_status s = tally_module_load(&b, NULL, TALLY_TEST_CUDA_LIBRARY);

    if (s == TALLY_OK) {
        ck_assert_str_eq(b->name, "cuda");
        return;
    }
    ck_assert(s == TALLY_E_STATE || s == TALLY_E_UNDECIDED); /* built here, libraries elsewhere */
    if (s == TALLY_E_STATE)
        ck_assert_msg(strstr(tally_why(), "cudaError") != NULL, "%s", tally_why());
    ck_assert_ptr_eq(b, UNTOUCHED);
#endif
}
END_TEST

START_TEST(this_machine_has_a_device_or_says_why_not)
{
    bool there = tally_module_cuda() != NULL;

    ck_assert_int_eq(there, tally_module_why()[0] == '\0');
    ck_assert_ptr_eq(tally_module_cuda(), tally_module_cuda());
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("module");

    tcase_add_test(t, without_driver_or_library_it_is_undecided);
    tcase_add_test(t, another_object_or_another_build_is_refused);
    tcase_add_test(t, a_backend_of_this_build_is_loaded_and_works);
    tcase_add_test(t, the_vendor_s_library_starts_or_names_its_error);
    tcase_add_test(t, this_machine_has_a_device_or_says_why_not);
    return tally_suite_run("module", t);
}
