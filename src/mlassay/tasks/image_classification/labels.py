"""Which class a picture has: label files, and the names of class folders."""

from __future__ import annotations

from pathlib import Path

from mlassay.core.errors import BadFile, MachineProblem

SYNSET_FILES = ("synset_words.txt", "LOC_synset_mapping.txt", "synsets.txt")


def class_numbers(folder: Path, names: list[str]) -> dict[str, int]:
    """Class folders to numbers: WordNet names as ImageNet counts them, others in sorted order."""
    wordnet = all(len(name) == 9 and name[0] == "n" and name[1:].isdigit() for name in names)
    if not wordnet or len(names) == 1000:
        return {name: number for number, name in enumerate(names)}
    for place in (folder, folder.parent):
        for file in SYNSET_FILES:
            if (place / file).is_file():
                lines = (place / file).read_text(encoding="utf-8").split("\n")
                known = {line.split()[0]: number for number, line in enumerate(filter(str.strip, lines))}
                if unknown := [name for name in names if name not in known]:
                    raise BadFile(
                        place / file, found=f"without {', '.join(unknown[:5])}", expected="every class folder"
                    )
                return {name: known[name] for name in names}
    raise BadFile(
        folder,
        found=f"{len(names)} of ImageNet's 1,000 class folders",
        expected="all of them, or a synset list that says which class is which number",
        hint=f"put one of {', '.join(SYNSET_FILES)} beside the class folders",
    )


def read_labels(path: Path) -> dict[str, int]:
    """Pictures and their classes, in the file's order."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(path, found="not text", expected='lines of "picture class"') from error
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error
    classes: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdigit():
            raise BadFile(
                path, key=f"line {number}", found=repr(line[:60]), expected='a picture and its class, "x.JPEG 65"'
            )
        if name.strip() in classes:
            raise BadFile(path, key=f"line {number}", found=f"{name.strip()} again", expected="a new picture")
        classes[name.strip()] = int(label)
    if not classes:
        raise BadFile(path, found="empty", expected='lines of "picture class"')
    return classes
