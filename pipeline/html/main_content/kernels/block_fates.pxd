# cython: language_level=3
cimport cython

ctypedef unsigned long long u64
ctypedef long long i64
ctypedef unsigned char flag

cdef u64 MASK

@cython.locals(number=Py_ssize_t, above=Py_ssize_t)
cpdef find_items(
    const i64[::1] parent, const i64[::1] sign, const i64[::1] first, const i64[::1] end, const i64[::1] place,
    i64 fewest, u64 factor, i64[::1] items, i64[::1] item_of, u64[::1] way_of)

@cython.locals(of_group=u64, of_way=u64, term=i64, definition=i64, block=Py_ssize_t, number=Py_ssize_t, mixed=u64)
cpdef fill_role_keys(
    const i64[::1] kind, const i64[::1] container, const i64[::1] item_of, const u64[::1] way_of,
    const i64[::1] place, tuple apart, tuple factors, i64[::1] item, flag[::1] held, u64[::1] keys)

@cython.locals(blocks=Py_ssize_t, block=Py_ssize_t)
cpdef number_roles(
    const flag[::1] held, const i64[::1] group, const i64[::1] item, const i64[::1] place, const i64[::1] items,
    double shared, i64[::1] latest, i64[::1] distinct, i64[::1] role)

@cython.locals(term=i64, definition=i64, blocks=Py_ssize_t, block=Py_ssize_t, found=Py_ssize_t, at=Py_ssize_t)
cpdef number_term_lists(
    const i64[::1] kind, const i64[::1] container, const i64[::1] parent, const i64[::1] hints, Py_ssize_t levels,
    i64 bit, tuple apart, i64[::1] role)

@cython.locals(block=Py_ssize_t, whole=double)
cpdef share_among(
    flag[::1] kept, const i64[::1] role, const double[::1] length, double majority, double[::1] of_kept,
    double[::1] of_all)

@cython.locals(start=Py_ssize_t, end=Py_ssize_t, whole=double, part=double, block=Py_ssize_t)
cpdef share_spans(flag[::1] kept, list spans, const double[::1] length, double majority)

@cython.locals(blocks=Py_ssize_t, block=Py_ssize_t, last=Py_ssize_t, nested=bint, body=double)
cpdef follow_bodies(
    flag[::1] kept, const flag[::1] chosen, const i64[::1] role, const i64[::1] item, const i64[::1] kind,
    const flag[::1] titles, i64 alone, const i64[::1] end, const double[::1] text, double majority, double[::1] left)

@cython.locals(before=Py_ssize_t, block=Py_ssize_t, crossed=bint, text=double, links=double, mass=double,
               place=Py_ssize_t)
cpdef bridge_runs(
    flag[::1] kept, const flag[::1] bridged, const double[::1] link, const double[::1] length,
    const double[::1] scores, double linked, double low)

@cython.locals(expected=double, best=double, right=double, kept=double, place=Py_ssize_t, block=Py_ssize_t)
cpdef double find_best_f1(const i64[::1] order, const double[::1] score, const double[::1] length) except? -1
