# cython: language_level=3
cimport cython

cdef Py_ssize_t SHORTEST_PART

@cython.locals(longest=Py_ssize_t, size=Py_ssize_t, number=Py_ssize_t, text=str)
cpdef share_title(str title, list texts, double[::1] share)

@cython.locals(begins=str, number=Py_ssize_t, text=str, folded=str)
cpdef find_description(str description, list texts, Py_ssize_t shown, double[::1] found)

@cython.locals(number=Py_ssize_t, text=str)
cpdef find_statements(str stated, list texts, Py_ssize_t shortest, Py_ssize_t shown, double[::1] found)
