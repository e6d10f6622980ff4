# cython: language_level=3
cimport cython

ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 MASK

@cython.locals(start=Py_ssize_t, at=Py_ssize_t, number=Py_ssize_t, found=Py_ssize_t, rare=Py_ssize_t, end=Py_ssize_t,
               unit=Py_ssize_t)
cpdef count_classes(
    const unsigned short[::1] units, const i64[::1] lengths, const unsigned char[::1] table, Py_ssize_t frequent,
    Py_ssize_t classes, i64[::1] counts, i64[::1] last)

@cython.locals(longest=Py_ssize_t, start=Py_ssize_t, number=Py_ssize_t, words=Py_ssize_t, length=Py_ssize_t,
               at=Py_ssize_t, single=u64, letter=u64)
cpdef Py_ssize_t hash_text_words(
    const unsigned int[::1] letters, const i64[::1] lengths, const i64[::1] read, u64 dense,
    const u64[::1] letter_factors, const u64[::1] place_factors, u64 pair_factor, u64[::1] singles, i64[::1] owners,
    u64[::1] values, u64[::1] wholes, i64[::1] sizes) except -1

@cython.locals(whole=u64, first=Py_ssize_t, before=u64, place=Py_ssize_t, single=u64)
cdef Py_ssize_t write_words(
    Py_ssize_t number, Py_ssize_t words, u64 pair_factor, const u64[::1] place_factors, const u64[::1] singles,
    Py_ssize_t at, i64[::1] owners, u64[::1] values, u64[::1] wholes) except -1
