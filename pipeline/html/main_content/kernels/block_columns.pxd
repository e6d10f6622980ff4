# cython: language_level=3
cimport cython

ctypedef long long i64

cdef Py_ssize_t CLASSES, COMMA, DENSE, DIGIT, END, LETTER, LOWER, SIGN, SPACE, UPPER
cdef double NOTHING, NO_HEADING, MOST_PROSE, WORDS_ENOUGH, NOWHERE, SHOWN

cdef double divide_or_zero(double part, double whole) noexcept

@cython.locals(blocks=Py_ssize_t, block=Py_ssize_t, start=Py_ssize_t, size=double, whole=double, upper=double,
               letters=double,
               at=Py_ssize_t)
cpdef write_text_rows(
    float[::1] found, const i64[::1] counts, const i64[::1] characters, const double[::1] length,
    const double[::1] link, const i64[::1] links, const i64[::1] last)

@cython.locals(blocks=Py_ssize_t, written=Py_ssize_t, total=double, prose=double, block=Py_ssize_t, at=Py_ssize_t)
cpdef write_place_rows(
    float[::1] found, const i64[::1] kind, const unsigned char[::1] heading, const i64[::1] container,
    const i64[::1] depth, const double[::1] sums)

@cython.locals(blocks=Py_ssize_t, begin=Py_ssize_t, block=Py_ssize_t, title=Py_ssize_t, place=Py_ssize_t)
cpdef write_heading_rows(
    float[::1] found, const i64[::1] kind, const unsigned char[::1] heading, const i64[::1] above,
    const double[::1] length, const double[::1] link, const double[::1] sums)

@cython.locals(blocks=Py_ssize_t, block=Py_ssize_t, at=Py_ssize_t, text=double, base=double)
cpdef write_group_rows(
    float[::1] found, double whole, const i64[::1] group, const i64[::1] size, const double[::1] length,
    const double[::1] link, const double[::1] prose, double total, double[::1] of_groups)

@cython.locals(blocks=Py_ssize_t, block=Py_ssize_t, hops=Py_ssize_t, inner=Py_ssize_t, offset=double, spanned=double)
cpdef write_way_rows(
    float[::1] found, Py_ssize_t levels, const i64[::1] around, const i64[::1] first, const i64[::1] end,
    const double[::1] shares, const double[::1] text_shares)

@cython.locals(blocks=Py_ssize_t, start=Py_ssize_t, by=Py_ssize_t, low=Py_ssize_t, high=Py_ssize_t, block=Py_ssize_t)
cpdef write_beside_rows(float[::1] found, float[::1] values, tuple places)

@cython.locals(blocks=Py_ssize_t, rows=Py_ssize_t, at=Py_ssize_t, by=Py_ssize_t, block=Py_ssize_t, other=Py_ssize_t,
               inside=bint)
cpdef write_near_rows(
    float[::1] found, const i64[::1] kind, const i64[::1] last, const i64[::1] container, tuple places)

@cython.locals(row=Py_ssize_t, blocks=Py_ssize_t, at=Py_ssize_t, reach=Py_ssize_t, block=Py_ssize_t,
               high=Py_ssize_t, low=Py_ssize_t, text=double, whole=double)
cpdef write_window_rows(float[::1] found, const double[::1] sums, tuple reaches)

@cython.locals(containers=Py_ssize_t, number=Py_ssize_t, at=Py_ssize_t, text=double, members=double)
cpdef write_record_values(
    double[::1] table, const i64[::1] group, const i64[::1] size, const i64[::1] rank, const i64[::1] first,
    const i64[::1] end, const double[::1] inside, double total, i64 fewest, double[::1] of_groups)

@cython.locals(blocks=Py_ssize_t, row=Py_ssize_t, text=double, mass=double, block=Py_ssize_t, size=double)
cpdef weigh_scores(
    const double[::1] score, const double[::1] length, double[::1] weighted, double[::1] weight, double[::1] sums)

@cython.locals(row=Py_ssize_t, blocks=Py_ssize_t, at=Py_ssize_t, reach=Py_ssize_t, block=Py_ssize_t, low=Py_ssize_t,
               high=Py_ssize_t)
cpdef write_side_rows(float[::1] found, const double[::1] sums, tuple reaches)

@cython.locals(blocks=Py_ssize_t, total=double, whole=double, mean=double, best=double, block=Py_ssize_t)
cpdef write_page_score_rows(float[::1] found, const double[::1] score, const double[::1] sums)

@cython.locals(blocks=Py_ssize_t, at=Py_ssize_t, scored=i64, mass=double, text=double, block=Py_ssize_t, mean=double)
cpdef write_kind_score_rows(
    float[::1] found, const i64[::1] kind, tuple kinds, const double[::1] weighted, const double[::1] weight)

@cython.locals(containers=Py_ssize_t, number=Py_ssize_t, at=Py_ssize_t, item=double)
cpdef write_record_scores(
    double[::1] table, const i64[::1] group, const i64[::1] size, const double[::1] inside, double total, i64 fewest,
    double[::1] of_groups)

@cython.locals(blocks=Py_ssize_t, block=Py_ssize_t, at=Py_ssize_t)
cpdef write_group_score_rows(
    float[::1] found, const i64[::1] group, const i64[::1] size, const double[::1] score, const double[::1] weighted,
    const double[::1] weight, double total, double[::1] of_groups)

@cython.locals(blocks=Py_ssize_t, begin=Py_ssize_t, block=Py_ssize_t, place=Py_ssize_t, mass=double, text=double,
               mean=double)
cpdef write_section_score_rows(
    float[::1] found, const unsigned char[::1] heading, const i64[::1] above, const double[::1] score,
    const double[::1] weighted, const double[::1] weight)

@cython.locals(block=Py_ssize_t, blocks=Py_ssize_t, place=tuple)
cpdef write_layout_rows(float[::1] found, list layout)

@cython.locals(blocks=Py_ssize_t, known=dict, block=Py_ssize_t, earlier=Py_ssize_t, text=str)
cpdef write_repeat_rows(
    float[::1] found, float[::1] new, list texts, const i64[::1] group, const i64[::1] size, i64[::1] first, i64[::1] times,
    i64[::1] distinct)

@cython.locals(blocks=Py_ssize_t, best=Py_ssize_t, block=Py_ssize_t, shown=bint)
cpdef write_distances(float[::1] found, const double[::1] share)

@cython.locals(blocks=Py_ssize_t, row=Py_ssize_t, block=Py_ssize_t, weight=double, at=Py_ssize_t, mass=double,
               text=double, number=Py_ssize_t, level=Py_ssize_t, total=double, title=Py_ssize_t, low=Py_ssize_t,
               high=Py_ssize_t)
cpdef write_word_rows(
    float[::1] found, const double[::1] says, const double[::1] names, const i64[::1] container,
    const i64[::1] parent, const i64[::1] above, const double[::1] length, const i64[::1] group,
    const i64[::1] first, const i64[::1] end, const i64[::1] records, double[::1] sums, double[::1] of_groups,
    double[::1] said)
