"""Just enough C++ for the lint: comments and literals blanked, functions found by their braces."""
import re

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/'
    r'|R"(?P<d>[^()\\ ]{0,16})\(.*?\)(?P=d)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'",
    re.S)


def strip(text):
    """The text with the contents of comments and literals blanked; lines stay where they are.

    Include lines keep their header names.
    """
    def blank(match):
        found = match.group(0)
        start = text.rfind("\n", 0, match.start()) + 1
        if found[0] == '"' and re.match(r"\s*#\s*include\s*$", text[start:match.start()]):
            return found
        inner = re.sub(r"[^\n]", " ", found)
        if found[0] in "\"'":
            return found[0] + inner[1:-1] + found[0]
        return inner
    return _TOKEN.sub(blank, text)


_NOT_FUNCTIONS = {"if", "for", "while", "switch", "catch", "return", "sizeof", "do", "else"}


def _head_name(head):
    """The function's name when `head` (the text before a '{') begins a function, else None."""
    head = head.strip()
    if re.match(r"(namespace|extern|enum|union)\b", head) or head.endswith(("=", ",", "(")):
        return None
    if re.search(r"\b(class|struct)\s+[\w:<>\s]*(final\s*)?(:[^:].*)?$", head, re.S) and \
            not head.rstrip().endswith(")"):
        return None
    match = re.search(r"([~\w:]+|operator\s*\S{1,3})\s*\(", head)
    if not match:
        return None
    name = match.group(1).split("::")[-1]
    if name in _NOT_FUNCTIONS:
        return None
    return match.group(1)


def functions(stripped):
    """Yields (name, first line, lines) of each outermost function body; lambdas inside count in.

    `stripped` comes from strip(). The lines are those from the opening to the closing brace plus
    those of the signature.
    """
    # Preprocessor lines would confuse the brace matching.
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  stripped, flags=re.M)
    depth = 0
    inside = None  # (name, depth at its brace, first line)
    head_start = 0
    line = 1
    line_of_head = 1
    for i, c in enumerate(text):
        if c == "\n":
            line += 1
        if inside is None and c in ";{}":
            head = text[head_start:i]
            if c == "{":
                name = _head_name(head)
                if name is not None:
                    first = line_of_head + (len(head) - len(head.lstrip())
                                            and head[:len(head) - len(head.lstrip())].count("\n"))
                    inside = (name, depth, first)
            head_start = i + 1
            line_of_head = line
        if c == "{":
            depth += 1
        elif c == "}":
            depth -= 1
            if inside is not None and depth == inside[1]:
                yield inside[0], inside[2], line - inside[2] + 1
                inside = None
                head_start = i + 1
                line_of_head = line
