"""The nodes of a parsed page as a table, read from the parser's own structs. It has the rows of `DomTable`.

Only the fields of structs that selectolax documents in its lexbor.pxd are read; everything else goes through lexbor's
exported functions. `prepare_tables` compares what it reads with the parser's objects before the first table is made.
"""

from cpython.array cimport array, clone, resize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uintptr_t
from libc.string cimport memcmp

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>

    typedef struct gristmill_node gristmill_node;
    typedef struct gristmill_attribute gristmill_attribute;

    typedef struct {
        unsigned char *data;
        size_t length;
    } gristmill_string;

    /* lxb_dom_node_t of lexbor, as selectolax/lexbor.pxd has it */
    struct gristmill_node {
        void *events;
        uintptr_t local_name, prefix, ns;
        void *owner_document;
        gristmill_node *next, *prev, *parent, *first_child, *last_child;
        void *user;
        int type;
    };

    /* lxb_dom_character_data_t */
    typedef struct {
        gristmill_node node;
        gristmill_string data;
    } gristmill_text;

    /* lxb_dom_attr_t */
    struct gristmill_attribute {
        gristmill_node node;
        uintptr_t upper_name, qualified_name;
        gristmill_string *value;
        void *owner;
        gristmill_attribute *next, *prev;
    };

    /* selectolax.lexbor.LexborNode */
    typedef struct {
        PyObject_HEAD
        void *methods;
        gristmill_node *node;
        PyObject *parser;
        int is_fragment_root, is_template_content;
    } gristmill_node_object;
    """
    ctypedef struct String "gristmill_string":
        unsigned char *data
        size_t length

    ctypedef struct Node "gristmill_node":
        uintptr_t local_name
        Node *next
        Node *parent
        Node *first_child
        int type

    ctypedef struct Text "gristmill_text":
        String data

    ctypedef struct Attribute "gristmill_attribute":
        Node node
        uintptr_t qualified_name
        Attribute *next

    ctypedef class selectolax.lexbor.LexborNode [object gristmill_node_object, check_size error]:
        cdef Node *node
        cdef object parser

ctypedef Attribute *(*FirstAttribute)(Node *node) noexcept nogil
ctypedef const unsigned char *(*AttributeText)(Attribute *attribute, size_t *length) noexcept nogil

cdef enum:
    ELEMENT_NODE = 1  # of lxb_dom_node_type_t
    TEXT_NODE = 3
    FEW_TAGS = 512
    FEW_ATTRIBUTES = 512  # a larger number is the address of what the page alone knows
    MOST_NAMES = 32
    UNKNOWN = -128
    IS_CLASS = 64  # a bit beside those of the names that are asked for


cdef struct Row:
    Node *node
    Attribute *names  # the attribute "class"; NULL if there is none


cdef struct WantedName:
    const char *text
    size_t length
    signed char bits


cdef FirstAttribute find_first_attribute = NULL
cdef AttributeText read_attribute_name = NULL
cdef AttributeText read_attribute_value = NULL
cdef signed char does_of[FEW_TAGS]
cdef list tag_of = []
cdef object name_tag = None
cdef int SPACE = 0, TEXT = 0, LAST_LEAF = 0
cdef signed char bits_of[FEW_ATTRIBUTES]
cdef list attribute_names = [None] * FEW_ATTRIBUTES
cdef list wanted_names = []  # whose bytes `wanted` points to
cdef WantedName wanted[MOST_NAMES]
cdef int wanted_count = 0
cdef array BYTES = array("b")
cdef array NUMBERS = array("i")


def prepare_tables(
    LexborNode body not None, dict known_tags, object name_unknown_tag, dict attribute_bits, tuple codes, list addresses
):
    """Make tables ready, and tell whether they can be used: whether the structs of this parser are those known here.

    `known_tags` has (does, tag) by the number of a tag; `attribute_bits` the bits of the attributes that are asked for;
    `codes` what a walk does at white space and at a text, and the last code of a leaf; `addresses` are those of the
    parser's functions.
    """
    global find_first_attribute, read_attribute_name, read_attribute_value, tag_of, name_tag, wanted_names
    global wanted_count, SPACE, TEXT, LAST_LEAF
    cdef int number
    if <uintptr_t>body.node != <uintptr_t>(<object>body).mem_id or len(attribute_bits) > MOST_NAMES:
        return False
    find_first_attribute = <FirstAttribute><uintptr_t>addresses[0]
    read_attribute_name = <AttributeText><uintptr_t>addresses[1]
    read_attribute_value = <AttributeText><uintptr_t>addresses[2]
    SPACE, TEXT, LAST_LEAF = codes
    name_tag = name_unknown_tag
    tag_of = [""] * FEW_TAGS
    for number in range(FEW_TAGS):
        does_of[number] = UNKNOWN
    for number, (does, tag) in known_tags.items():
        if number < FEW_TAGS:
            does_of[number], tag_of[number] = does, tag
    for number in range(FEW_ATTRIBUTES):
        bits_of[number] = UNKNOWN
    wanted_names = [name.encode() for name in attribute_bits] + [b"class"]
    wanted_count = len(wanted_names)
    for number, bits in enumerate([*attribute_bits.values(), IS_CLASS]):
        wanted[number].text, wanted[number].length = <const char *>wanted_names[number], len(wanted_names[number])
        wanted[number].bits = bits
    return True


cdef signed char find_bits(Attribute *attribute) noexcept:
    """Return the bits of an attribute's name, 0 for a name that nobody asks for."""
    cdef uintptr_t number = attribute.node.local_name
    cdef size_t length = 0
    cdef const unsigned char *name
    cdef signed char bits = 0
    cdef int at
    if number < FEW_ATTRIBUTES and bits_of[number] != UNKNOWN:
        return bits_of[number]
    name = read_attribute_name(attribute, &length)
    for at in range(wanted_count if name != NULL else 0):
        if wanted[at].length == length and memcmp(name, wanted[at].text, length) == 0:
            bits = wanted[at].bits
    if number < FEW_ATTRIBUTES:
        bits_of[number] = bits
    return bits


cdef str decode(const unsigned char *text, size_t length):
    """Return UTF-8 as a string, as selectolax does."""
    return PyUnicode_DecodeUTF8(<const char *>text, length, "replace")


cdef str find_name(Attribute *attribute):
    """Return the name of an attribute; the one string of each name that lexbor knows."""
    cdef uintptr_t number = attribute.node.local_name
    cdef bint known = number < FEW_ATTRIBUTES and attribute.qualified_name == 0
    cdef size_t length = 0
    cdef const unsigned char *name
    if known and attribute_names[number] is not None:
        return attribute_names[number]
    name = read_attribute_name(attribute, &length)
    found = decode(name, length)
    if known:
        attribute_names[number] = found
    return found


cdef bint is_space(Node *node) noexcept:
    """Tell whether a text is nothing but white space of ASCII, as str.isspace does."""
    cdef String *text = &(<Text *>node).data
    cdef size_t at
    for at in range(text.length):
        if not (text.data[at] == 32 or 9 <= text.data[at] <= 13 or 28 <= text.data[at] <= 31):
            return False
    return text.length > 0


cdef class LexborTable:
    """The rows of the nodes in an element, as NodeRows says."""

    cdef readonly array does, ends, bits
    cdef readonly list tags
    cdef object parser  # keeps the structs alive
    cdef Row *rows
    cdef Py_ssize_t room

    def __cinit__(self, LexborNode root not None):
        """Read all nodes in `root`, without recursion: linear in their number."""
        self.parser, self.tags = root.parser, []
        self.does, self.ends, self.bits = clone(BYTES, 0, False), clone(NUMBERS, 0, False), clone(BYTES, 0, False)
        self.read_rows(root.node)

    def __dealloc__(self):
        PyMem_Free(self.rows)

    cdef int make_room(self, Py_ssize_t room) except -1:
        cdef Row *rows = <Row *>PyMem_Realloc(self.rows, room * sizeof(Row))
        if rows == NULL:
            raise MemoryError()
        self.rows, self.room = rows, room
        resize(self.does, room)
        resize(self.bits, room)
        resize(self.ends, room)
        return 0

    cdef int read_rows(self, Node *root) except -1:
        cdef Node *current = root.first_child
        cdef Py_ssize_t count = 0
        cdef list opened = []  # rows
        cdef dict unknown = {}
        cdef int does
        self.make_room(256)
        while current != NULL:
            if count == self.room:
                self.make_room(2 * count)
            does = self.read_row(current, count, unknown)
            count += 1
            if does > LAST_LEAF and current.first_child != NULL:
                opened.append(count - 1)
                current = current.first_child
                continue
            while current.next == NULL and current.parent != root:
                current = current.parent
                self.ends.data.as_ints[<Py_ssize_t>opened.pop()] = count
            current = current.next
        self.make_room(max(count, 1))
        resize(self.does, count)
        resize(self.bits, count)
        resize(self.ends, count)
        return 0

    cdef int read_row(self, Node *node, Py_ssize_t row, dict unknown) except -1000:
        """Fill in a row, whose end is the next one, and return what the walk does there."""
        cdef uintptr_t number = node.local_name
        cdef Attribute *attribute
        cdef signed char found, bits = 0
        cdef int does
        cdef object tag
        if number < FEW_TAGS and does_of[number] != UNKNOWN:
            does, tag = does_of[number], tag_of[number]
        else:
            if number not in unknown:
                unknown[number] = name_tag(self.wrap(node))
            does, tag = unknown[number]
        self.rows[row].node, self.rows[row].names = node, NULL
        if does > LAST_LEAF:
            attribute = find_first_attribute(node) if node.type == ELEMENT_NODE else NULL
            while attribute != NULL:
                found = find_bits(attribute)
                if found == IS_CLASS:
                    self.rows[row].names = attribute
                else:
                    bits |= found
                attribute = attribute.next
        elif does == TEXT and node.type == TEXT_NODE and is_space(node):
            does = SPACE
        self.tags.append(tag)
        self.does.data.as_schars[row] = does
        self.bits.data.as_schars[row] = bits
        self.ends.data.as_ints[row] = row + 1
        return does

    cdef LexborNode wrap(self, Node *node):
        cdef LexborNode made = LexborNode.__new__(LexborNode)
        made.node, made.parser = node, self.parser
        return made

    cdef Row *find_row(self, Py_ssize_t row) except NULL:
        if not 0 <= row < len(self.tags):
            raise IndexError(f"no row {row} among {len(self.tags)}")
        return &self.rows[row]

    cpdef str read_text(self, Py_ssize_t row):
        """Return the text of a text node."""
        cdef Node *node = self.find_row(row).node
        cdef String *text = &(<Text *>node).data
        if node.type != TEXT_NODE or text.data == NULL:
            return ""
        return decode(text.data, text.length)

    cpdef object read_names(self, Py_ssize_t row):
        """Return the class names of an element; None if it has none."""
        cdef Attribute *attribute = self.find_row(row).names
        cdef size_t length = 0
        cdef const unsigned char *value
        if attribute == NULL:
            return None
        value = read_attribute_value(attribute, &length)
        return decode(value, length) if value != NULL else None

    cpdef dict read_attributes(self, Py_ssize_t row):
        """Return the attributes of an element."""
        cdef Node *node = self.find_row(row).node
        cdef Attribute *attribute = find_first_attribute(node) if node.type == ELEMENT_NODE else NULL
        cdef dict found = {}
        cdef size_t length = 0
        cdef const unsigned char *value
        while attribute != NULL:
            value = read_attribute_value(attribute, &length)
            found[find_name(attribute)] = decode(value, length) if value != NULL else None
            attribute = attribute.next
        return found

    def make_node(self, Py_ssize_t row):
        """Return a node as the parser's object."""
        return self.wrap(self.find_row(row).node)
