# C types for name_hints.py, which is compiled with them where a C compiler is.

cimport cython

cdef dict KNOWN_NAMES, KNOWN_RUNS
cdef Py_ssize_t LONGEST_NAME, MANY_NAMES, MANY_VALUES
cdef int LOOK_BEYOND, LOOK_SPECIAL

@cython.locals(bits="long long", values=tuple, name=str, short=str, read=tuple)
cpdef tuple read_names(str names)

@cython.locals(lower=str, values=list, start=Py_ssize_t, found="long long", looks=int, at=Py_ssize_t, letter=Py_UCS4,
               run=str, known=tuple, bits="long long", look=int)
cdef tuple read_name(str name)
