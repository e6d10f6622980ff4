# C types for dom_walk.py, which is compiled with them where a C compiler is. They change nothing of what it does.

cimport cython

cdef int SPACE, TEXT, SKIP, LINE, SCRIPT, MATHS, IMAGE, LINK, MARK, RAISED, MORE, OPEN
cdef int NAMED, TOLD, LINK_TOLD, SPANS
cdef int PARAGRAPH, ITEM, PRE, TERM, CAPTION
cdef int HIDDEN, PRESERVES, UNSEEN
cdef long long CLOSED_BIT, CODE_NAME, COPY_OF_MATHS, FIRST_SPECIAL_BIT, LINE_NUMBERS, NEVER_OPENS, PRESERVED
cdef long long SOURCE_OF_MATHS, TOGGLE, UNSEEN_NAME
cdef str BREAK, CODE, AFTER_LINK, ALL_NOTHING, LINE_BEGINS, LINE_ENDS, NUMBER, AROUND_NUMBERS
cdef frozenset NOTHING, HIDING, LISTS, SHOWN_APART, LINE_TAGS, ARRANGING_TAGS, BETWEEN_LINES, PROSE, NEVER_OPENED
cdef frozenset CODE_TAGS, PUNCTUATION, SAME_CELL
cdef dict KINDS, MARKED, TAG_BITS
cdef tuple PERMALINKS, TOGGLES, NAMES_IN_ORDER, NO_LOOK, PLAIN_LINK


cdef class DomWalker:
    cdef object parser, table, page, maths_scripts, read_text, read_class
    cdef bint everything, opens_text, preserved
    cdef const signed char[::1] does, bits
    cdef const int[::1] after
    cdef list container_tags, container_signs, container_hints, container_values
    cdef list tags, blocks, parents, firsts, ends, fragments, kinds, lists, tables, following
    cdef dict known_looks, signs
    cdef Py_ssize_t link_characters, links, container, number, quotes, in_link, in_pre, next_end

    @cython.locals(fragments=list, all_does="const signed char[::1]", tags=list, row=Py_ssize_t,
                   rows=Py_ssize_t, does=int)
    cdef walk(self)

    @cython.locals(text=str)
    cdef take_text(self, Py_ssize_t row)

    @cython.locals(tag=str, outer=Py_ssize_t)
    cdef close_element(self)

    cdef Py_ssize_t enter_row(self, Py_ssize_t row, str tag, Py_ssize_t outer) except -1

    @cython.locals(look=tuple, outer=Py_ssize_t, hints="long long")
    cdef Py_ssize_t open_element(self, Py_ssize_t row, str tag, int does) except -1

    @cython.locals(names=str, bits=int)
    cdef tuple find_look(self, Py_ssize_t row, str tag)

    cdef bint begins_code(self, Py_ssize_t row, str tag, long long hints) except -1

    cdef enter_code(self, Py_ssize_t row, Py_ssize_t outer, bint preserved)

    cdef bint enter_line(self, Py_ssize_t row, str tag) except -1

    cdef read_code(self, Py_ssize_t row, str text)

    cdef leave_out_rest(self)

    @cython.locals(look=tuple, fragments=list)
    cdef Py_ssize_t pass_inline(self, Py_ssize_t row, str tag, int does) except -1

    cdef bint begins_apart(self, Py_ssize_t row, str tag) except -1

    @cython.locals(names=str, bits=int, look=tuple)
    cdef tuple look_at_inline(self, Py_ssize_t row, str tag, int does)

    cdef Py_ssize_t enter_mark(self, Py_ssize_t row, str tag, tuple look) except -1

    @cython.locals(outer=Py_ssize_t)
    cdef Py_ssize_t open_inline_code(self, Py_ssize_t row, tuple name_values) except -1

    cdef read_leaf(self, Py_ssize_t row, str tag, int does)

    cdef read_copied_maths(self, node)

    cdef bint read_raised(self, Py_ssize_t row, str tag) except -1

    @cython.locals(names=str, named=bint, hints="long long", values=tuple)
    cdef tuple look_at(self, Py_ssize_t row, str tag, str class_names, int bits)

    @cython.locals(key=tuple, sign=Py_ssize_t, look=tuple)
    cdef tuple make_look(self, str tag, str class_names, long long hints, tuple values, int bits)

    cdef bint is_left_out(self, Py_ssize_t row, long long hints) except -1

    @cython.locals(seen=int)
    cdef long long hints_of_attributes(self, Py_ssize_t row, str tag, long long hints, attributes) except? -2

    cdef enter(self, Py_ssize_t row, str tag, Py_ssize_t outer)

    cdef int find_kind(self, Py_ssize_t row, str tag) except -1

    cdef leave(self, str tag)

    @cython.locals(start=Py_ssize_t, number=Py_ssize_t, tag=object, sign=object, hints=object, values=object)
    cdef Py_ssize_t open_container(self, tuple look) except -1

    cdef fill_page(self)

    cdef read_maths_script(self, Py_ssize_t row)

    @cython.locals(text=str, links=Py_ssize_t, link_characters=Py_ssize_t, kind=int)
    cdef flush(self)

    cdef add_text(self, str text, int kind, Py_ssize_t link_characters, Py_ssize_t links)

    cdef add_code(self, str text, Py_ssize_t link_characters, Py_ssize_t links)

    @cython.locals(share=double)
    cdef add_pieces(self, str text, int kind, Py_ssize_t link_characters, Py_ssize_t links)

    @cython.locals(links_in_text=Py_ssize_t)
    cdef add(self, str text, int kind, Py_ssize_t link_characters, Py_ssize_t links)

    cdef close_table(self, table)


cdef bint is_telling_name(str names) except -1

cdef bint may_be_hidden(attributes) except -1

@cython.locals(names=str, value=str)
cdef str join_names(attributes)
