"""The leaves that blocks reach in boosted trees, summed up. The compiled twin of `sum_leaves_on_arrays`."""

from libc.stdlib cimport free, malloc


def sum_leaves(
    const float[:, ::1] rows, const Py_ssize_t[::1] feature, const float[::1] border, const Py_ssize_t[:, ::1] asked,
    const int[:, ::1] leaves, long long[::1] total,
):
    """Add to `total`, a number a column of `rows`, the leaf that the column reaches in each tree.

    A question is whether the row `feature` is above the `border`; `asked` names the questions of each tree, level by
    level, the lowest bit of a leaf's number first.
    """
    cdef Py_ssize_t questions = feature.shape[0], columns = rows.shape[1], depth = asked.shape[0]
    cdef Py_ssize_t question, tree, level, column
    cdef const float *values
    cdef float limit
    cdef unsigned char *answers = <unsigned char *>malloc((questions + 1) * columns + 1)
    cdef unsigned char *leaf
    cdef const int *of_tree
    cdef long long *sums
    cdef unsigned char *answer
    cdef unsigned char *middle
    cdef unsigned char *high
    cdef unsigned char number
    if answers == NULL:
        raise MemoryError()
    if depth > 8 or leaves.shape[1] != 1 << depth or total.shape[0] != columns:
        free(answers)
        raise ValueError("trees of at most 8 levels, with all their leaves, and a total for each column are wanted")
    if columns == 0:
        free(answers)
        return
    leaf, sums = answers + questions * columns, &total[0]
    for question in range(questions):
        values, limit, answer = &rows[feature[question], 0], border[question], answers + question * columns
        for column in range(columns):
            answer[column] = values[column] > limit
    for tree in range(leaves.shape[0]):
        for column in range(columns):
            leaf[column] = 0
        level = depth
        while level >= 3:  # three at a time, and sums rather than shifts: fewer instructions for as many columns
            level -= 3
            high, middle = answers + asked[level + 2, tree] * columns, answers + asked[level + 1, tree] * columns
            answer = answers + asked[level, tree] * columns
            for column in range(columns):
                number = leaf[column]
                number = number + number + high[column]
                number = number + number + middle[column]
                leaf[column] = number + number + answer[column]
        while level > 0:
            level -= 1
            answer = answers + asked[level, tree] * columns
            for column in range(columns):
                number = leaf[column]
                leaf[column] = number + number + answer[column]
        of_tree = &leaves[tree, 0]
        for column in range(columns):
            sums[column] += of_tree[leaf[column]]
    free(answers)
