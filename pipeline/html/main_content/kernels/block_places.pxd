# cython: language_level=3
cimport cython

ctypedef unsigned long long u64
ctypedef long long i64

cdef u64 MASK
cdef Py_ssize_t CLASSES, SPACE, DENSE, MONEY, END
cdef double LINKED_PROSE, LONG_SENTENCE, SHORT_SENTENCE

@cython.locals(numbers=list, at=Py_ssize_t, number=i64)
cpdef copy_numbers(list lists, i64[::1] copied)

@cython.locals(at=Py_ssize_t)
cpdef copy_values(list names, dict values, i64[::1] copied)

@cython.locals(found=Py_ssize_t, numbers=tuple)
cpdef Py_ssize_t count_numbers(list tuples) except -1

@cython.locals(numbers=tuple, place=Py_ssize_t, at=Py_ssize_t, number=i64)
cpdef copy_pairs(list tuples, i64[::1] owner, i64[::1] copied)

@cython.locals(blocks=Py_ssize_t, row=Py_ssize_t, text=double, text_linked=double, text_prose=double, paid=double,
               block=Py_ssize_t, at=Py_ssize_t, written=i64, size=double, share=double, told=double)
cpdef measure_blocks(
    const i64[::1] counts, const i64[::1] last, const i64[::1] characters, const i64[::1] linked, double[::1] length,
    double[::1] link, double[::1] prose, double[::1] sums)

@cython.locals(number=Py_ssize_t, above=Py_ssize_t, blocks=Py_ssize_t, block=Py_ssize_t, at=Py_ssize_t,
               level=Py_ssize_t)
cpdef nest_containers(
    const i64[::1] parent, const i64[::1] hints, const i64[::1] first, const i64[::1] end, const i64[::1] container,
    Py_ssize_t levels, i64[::1] depth, i64[::1] path_hints, i64[::1] wider, i64[::1] around)

@cython.locals(of_tag=u64, of_way=u64, of_parent=u64, last=Py_ssize_t, number=Py_ssize_t)
cpdef hash_shapes(
    const u64[::1] tag, const i64[::1] hints, const i64[::1] parent, Py_ssize_t doublings, const u64[::1] factors,
    i64[::1] above, u64[::1] shape, u64[::1] keys)

@cython.locals(columns=Py_ssize_t, row=Py_ssize_t, start=Py_ssize_t, number=Py_ssize_t, before=u64, place=Py_ssize_t,
               at=Py_ssize_t, key=u64)
cpdef number_groups(const u64[::1] keys, const i64[::1] order, Py_ssize_t rows, i64[::1] group, i64[::1] size)

@cython.locals(containers=Py_ssize_t, number=Py_ssize_t, above=Py_ssize_t, blocks=Py_ssize_t, block=Py_ssize_t,
               inner=Py_ssize_t, second=Py_ssize_t)
cpdef find_inner_records(
    const i64[::1] parent, const i64[::1] first, const i64[::1] end, const i64[::1] group, i64 fewest,
    const i64[::1] container, i64[::1] size, i64[::1] rank, i64[::1] seen, i64[::1] within, i64[::1] outer,
    i64[::1] records)

@cython.locals(blocks=Py_ssize_t, last=Py_ssize_t, block=Py_ssize_t, holder=Py_ssize_t, place=u64, number=Py_ssize_t,
               level=Py_ssize_t)
cpdef fill_block_keys(
    const u64[::1] shape, const i64[::1] kind, const i64[::1] container, const i64[::1] around, const i64[::1] pools,
    u64 factor, const i64[::1] path_hints, const i64[::1] depth, u64[::1] keys)

@cython.locals(latest=Py_ssize_t, block=Py_ssize_t)
cpdef find_headings(const i64[::1] kind, unsigned char[::1] heading, i64[::1] above)
