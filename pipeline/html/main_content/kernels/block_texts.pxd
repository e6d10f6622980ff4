# cython: language_level=3
cimport cython

ctypedef unsigned long long u64

cdef u64 MASK
cdef unsigned int HIGHEST_UNIT

@cython.locals(start=Py_ssize_t, at=Py_ssize_t, number=Py_ssize_t, found=Py_ssize_t, place=Py_ssize_t)
cpdef count_classes(const unsigned short[::1] units, const long long[::1] lengths, const unsigned char[::1] table,
                    Py_ssize_t classes, long long[::1] counts, long long[::1] last)

@cython.locals(longest=Py_ssize_t, shift=int, number=Py_ssize_t, words=Py_ssize_t, length=Py_ssize_t, at=Py_ssize_t,
               single=u64, index=Py_ssize_t, unit=Py_ssize_t, letter=u64)
cpdef Py_ssize_t hash_words(
    const unsigned short[::1] units, const unsigned int[::1] letters, const u64[::1] letter_factors,
    const u64[::1] place_factors, const u64[::1] factors, int bits, u64[::1] singles, long long[::1] blocks,
    long long[::1] values) except -1

@cython.locals(of_pairs=u64, of_words=u64, last=u64, short=bint, whole=u64, before=u64, place=Py_ssize_t, single=u64,
               mixed=u64)
cdef Py_ssize_t hash_text(
    Py_ssize_t number, Py_ssize_t words, const u64[::1] singles, const u64[::1] place_factors, const u64[::1] factors,
    int shift, Py_ssize_t at, long long[::1] blocks, long long[::1] values) except -1
