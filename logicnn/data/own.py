"""One's own data, as they lie on the disk: what a user has, not yet integers.

A folder of class folders of pictures (`train` and `test` above them where the split is given), the four IDX files of
MNIST's names with any content, plain or gzipped, an ``.npz`` with x and y (and x_test and y_test), or a ``.csv`` with a
column of labels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import UnidentifiedImageError

from logicnn.data.dataset import DatasetError
from logicnn.data.digits import parse_idx, unzipped_idx
from logicnn.data.inputs import read_samples
from logicnn.data.pictures import PictureError, opened, read_picture
from logicnn.data.tables import Table, number_of
from logicnn.network import Columns, Network, Picture
from logicnn.network.preparation import PreparationError
from logicnn.storage import unpacked_arrays

__all__ = ["LABEL", "MOST_CLASSES", "TEST", "Labelled", "OwnData", "labelled_for", "read_own"]

LABEL = "label"
TEST = 0.2  # of the samples, where the test part is not given
VALIDATION, LEAST, MOST = 0.1, 200, 0.25  # of those that are left; so many samples at least, if that is not too much
PARTS = "train", "test"
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LONGEST = 18  # digits of a label that is a number
LARGEST = 1 << 22  # pixels of a sample
LARGEST_NUMBER = 1e100  # whose squares can still be summed
MOST_CLASSES = 256  # of a class in a byte
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Labelled:
    """Samples x, (n, channels, rows, columns) uint8 of pictures or (n, columns) float64 of numbers, and the classes y
    (n,) that they are of.
    """

    x: np.ndarray
    y: np.ndarray

    def part(self, rows: np.ndarray) -> "Labelled":
        return Labelled(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class OwnData:
    """What was read: all samples, or those to train with and the test part where a split is `given`; the `columns` of
    numbers, none for pictures, and what is to be said of them.
    """

    classes: tuple[str, ...]
    train: Labelled
    given: Labelled | None = None
    columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def picture(self) -> Picture | None:
        """What pictures become."""
        if self.columns:
            return None
        channels, height, width = self.train.x.shape[1:]
        return Picture("L" if channels == 1 else "RGB", height, width, 255)

    def split(self, share: float, seed: int) -> tuple[Labelled, Labelled]:
        """To train with, and the test part: as it was given, else `share` of each class."""
        return (self.train, self.given) if self.given is not None else self.parted(self.train, share, seed)

    def validated(self, rest: Labelled, seed: int) -> tuple[Labelled, Labelled]:
        """What is to train with, without those samples of it that choose between networks, and these."""
        return self.parted(rest, max(VALIDATION, min(MOST, LEAST / len(rest.x))), seed)

    def parted(self, data: Labelled, share: float, seed: int) -> tuple[Labelled, Labelled]:
        """Without about this share of every class, and that: at least a sample and not all. Equal samples are on one
        side.

        Raises `DatasetError` for a class that has too few different samples.
        """
        rng = np.random.default_rng(seed)
        _, same = np.unique(data.x.reshape(len(data.x), -1), axis=0, return_inverse=True)
        same = same.reshape(-1)
        held = np.zeros(int(same.max(initial=0)) + 1, bool)
        taken = held.copy()  # a sample that is of several classes counts once
        for label in range(len(self.classes)):
            own = rng.permutation(np.unique(same[data.y == label]))
            own = own[~taken[own]]
            if len(own) < 2:
                raise DatasetError(f"class {self.classes[label]} has too few different samples to train and to test")
            taken[own] = True
            held[own[: min(max(1, round(share * len(own))), len(own) - 1)]] = True
        return data.part(~held[same]), data.part(held[same])


def read_own(
    path: Path, *, label: str | None = None, drop: Sequence[str] = (), size: tuple[int, int] | None = None
) -> OwnData:
    """Reads what is at a path; `label` is the column that says the class and `drop` others that are left out (of a
    ``.csv``), `size` (height, width) what pictures are averaged to.

    Raises `DatasetError` for what cannot be learned from: the message names file, row or column.
    """
    return _checked(path, _read(path, label, drop, size))


def labelled_for(network: Network, path: Path) -> Labelled:
    """Samples as a network reads them, (n, *network.input.shape) integers, and its classes: of an .npz with such
    `inputs` and `labels`, or of any other data; their test part where it is given.

    Raises `DatasetError` for samples and classes that are not the network's.
    """
    if not network.layers[-1].decides:
        raise DatasetError(f"{network.name or 'the network'} gives no class, so that no labels can be compared with it")
    classes = network.output.interval.high + 1
    if path.suffix.lower() == ".csv":
        samples = read_samples(network, [path])
        if samples.labels is None:
            raise DatasetError(f"{path} has no column {LABEL!r}, nor another one of class names alone")
        return Labelled(samples.x, samples.labels)
    if path.suffix.lower() == ".npz" and path.is_file():
        arrays = _loaded(path, ("inputs", "labels"))
        if len(arrays) == 2:
            return _as_read(path, network, arrays["inputs"], arrays["labels"])
    own = _read(path, None, (), None)
    data, preparation = own.given or own.train, network.preparation
    places = {name: place for place, name in enumerate(network.labels or map(str, range(classes)))}
    unknown = [name for name in own.classes if name not in places]
    if unknown:
        raise DatasetError(f"{path} has class {unknown[0]!r}; the network's are {', '.join([*places][:SHOWN])} ...")
    y = np.array([places[name] for name in own.classes], np.int64)[data.y]
    if isinstance(preparation, Columns) and own.columns:
        missing = [name for name in preparation.columns if name not in own.columns]
        if missing:
            raise DatasetError(f"{path} lacks column {missing[0]!r}, which the network reads")
        return Labelled(preparation.values(data.x[:, [own.columns.index(each) for each in preparation.columns]]), y)
    if own.picture is None or own.picture != preparation:
        shape = " x ".join(map(str, data.x.shape[1:]))
        raise DatasetError(f"{path} holds samples of {shape}, which the network does not read")
    return Labelled(data.x, y)


def _as_read(path: Path, network: Network, x: np.ndarray, y: np.ndarray) -> Labelled:
    low, high = network.input.interval.low, network.input.interval.high
    size = network.input.size
    if x.ndim < 2 or not len(x) or x[0].size != size or x.dtype.kind not in "iub":
        raise DatasetError(f"{path}: inputs must be integers, {size} a sample, not {x.shape} of {x.dtype}")
    shape = network.input.shape
    if x.ndim == 4 and len(shape) == 3 and shape[0] > 1 and x.shape[1:] != shape:
        raise DatasetError(f"{path}: inputs must be of channels, rows and columns {shape}, not {x.shape[1:]}")
    if x.min() < low or x.max() > high:
        raise DatasetError(f"{path}: inputs must lie in {low} ... {high}")
    classes = network.output.interval.high + 1
    if y.shape != x.shape[:1] or y.dtype.kind not in "iub" or y.min() < 0 or y.max() >= classes:
        raise DatasetError(f"{path}: labels must be {len(x)} integers in 0 ... {classes - 1}")
    return Labelled(x.reshape(len(x), *network.input.shape), y.astype(np.int64))


def _read(path: Path, label: str | None, drop: Sequence[str], size: tuple[int, int] | None) -> OwnData:
    if not path.exists():
        raise DatasetError(f"there is no {path}; give a folder of pictures or IDX files, an .npz or a .csv")
    kind = path.suffix.lower()
    if (label or drop) and kind != ".csv":
        raise DatasetError(f"--label and --drop are for .csv files, which {path} is not")
    if size and not path.is_dir():
        raise DatasetError(f"--size is for folders of pictures, which {path} is not")
    if size and size[0] * size[1] > LARGEST:
        raise DatasetError(f"--size must be of at most {LARGEST} pixels, not {size[0]} x {size[1]}")
    try:
        if path.is_dir():
            found = _idx(path) if _is_idx(path) else _folders(path, size)
        elif kind == ".npz":
            found = _arrays(path)
        elif kind == ".csv":
            found = _table(path, label, drop)
        else:
            raise DatasetError(f"{path} must be a folder, an .npz or a .csv")
    except OSError as error:
        raise DatasetError(f"cannot read {error.filename or path}: {error.strerror or error}") from None
    return found


def _checked(path: Path, found: OwnData) -> OwnData:
    if found.train.x.size == 0:
        raise DatasetError(f"{path} holds no sample")
    nameless = [name for name in found.classes if not name.strip() or not name.isprintable()]
    if nameless:
        raise DatasetError(f"{path}: a class needs a name that can be printed, not {nameless[0]!r}")
    if not 2 <= len(found.classes) <= MOST_CLASSES:
        some = ", ".join(found.classes[:SHOWN])
        raise DatasetError(f"{path} must have 2 ... {MOST_CLASSES} classes, not {len(found.classes)} ({some} ...)")
    counts = np.bincount(found.train.y, minlength=len(found.classes))
    if found.given is not None:
        if not len(found.given.x):
            raise DatasetError(f"{path}: its test part holds no sample")
        unknown = np.setdiff1d(found.given.y, np.flatnonzero(counts))
        if len(unknown):
            raise DatasetError(f"{path}: the test part has class {found.classes[unknown[0]]}, which training lacks")
    scarce, least = int(counts.argmin()), 2 if found.given else 3
    if counts[scarce] < least:
        what = "1 sample" if counts[scarce] == 1 else f"{counts[scarce]} samples"
        raise DatasetError(
            f"{path}: class {found.classes[scarce]} has {what}; each needs {least}, to train, to choose and to test"
        )
    for part in (found.train, found.given):
        if found.columns and part is not None and np.abs(part.x).max() > LARGEST_NUMBER:
            row, column = np.unravel_index(np.abs(part.x).argmax(), part.x.shape)
            raise DatasetError(
                f"{path}: {found.columns[column]!r} has {part.x[row, column]:g} in a row; numbers must lie within "
                f"{LARGEST_NUMBER:g}"
            )
    constant = [name for place, name in enumerate(found.columns) if np.ptp(found.train.x[:, place]) == 0]
    if found.columns and len(constant) == len(found.columns):
        raise DatasetError(f"{path}: all columns are constant, so that nothing tells the classes apart")
    if constant:
        said = f"constant, and so of no use: {', '.join(constant[:SHOWN])}{' ...' * (len(constant) > SHOWN)}"
        return replace(found, remarks=(*found.remarks, said))
    return found


# -- pictures


def _folders(path: Path, size: tuple[int, int] | None) -> OwnData:
    folders = {each.name: each for each in path.iterdir() if each.is_dir() and not each.name.startswith(".")}
    split = set(folders) == set(PARTS)
    roots = [folders[each] for each in PARTS] if split else [path]
    files = [list(_files(root)) for root in roots]
    names = sorted({name for part in files for name, _ in part}, key=_natural)
    if not names:
        raise DatasetError(f"{path} must hold a folder of pictures for each class, or MNIST's four IDX files")
    empty = sorted({each.name for root in roots for each in root.iterdir() if each.is_dir()} - set(names))
    empty = [name for name in empty if not name.startswith(".")]
    preparation = _preparation([each for part in files for _, each in part], size)
    parts = []
    for part in files:
        x = np.zeros((len(part), *preparation.shape), np.uint8)
        for place, (_, file) in enumerate(part):
            try:
                x[place] = read_picture(file, preparation, resize=size is not None)
            except PictureError as error:
                raise DatasetError(str(error)) from None
            except OSError as error:
                raise DatasetError(f"{file} cannot be read: {error}") from None
            except PreparationError as error:
                raise DatasetError(f"{file}: {error}".replace("--resize", "--size HEIGHT WIDTH")) from None
        parts.append(Labelled(x, np.array([names.index(name) for name, _ in part], np.int64)))
    said = (f"without any picture, and so no class: {', '.join(empty)}",) if empty else ()
    return OwnData(tuple(names), parts[0], parts[1] if split else None, remarks=said)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Class and file of each picture, in an order that does not depend on the disk."""
    for folder in sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")):
        for file in sorted(folder.iterdir()):
            if not file.name.startswith("."):
                yield folder.name, file


def _natural(name: str) -> tuple:
    """Numbers in the order of numbers."""
    return (0, int(name), name) if name.isdecimal() and len(name) < LONGEST else (1, 0, name)


def _preparation(files: Sequence[Path], size: tuple[int, int] | None) -> Picture:
    """As large as the first picture, or as `size` says; grey if all of them are."""
    colour, shape = False, size
    for file in files:
        try:
            with opened(file) as image:
                colour = colour or image.mode not in ("1", "L", "LA")
                turned = image.getexif().get(0x0112, 1) >= 5  # lies on its side
                shape = shape or (image.size if turned else image.size[::-1])
        except UnidentifiedImageError:
            raise DatasetError(f"{file} is no picture that Pillow can read; class folders hold nothing else") from None
        except Exception as error:  # readers of damaged pictures fail in any way
            raise DatasetError(f"{file} cannot be read as a picture: {error}") from None
    assert shape is not None
    if shape[0] * shape[1] > LARGEST:
        raise DatasetError(
            f"{files[0]} is of {shape[0]} x {shape[1]} pixels; at most {LARGEST} are learned from: give --size"
        )
    return Picture("RGB" if colour else "L", shape[0], shape[1], 255)


def _is_idx(path: Path) -> bool:
    return any((path / f"{name}{end}").is_file() for pair in IDX for name in pair for end in ("", ".gz"))


def _idx(path: Path) -> OwnData:
    parts = []
    for images, labels in IDX:
        x, y = (_idx_file(path, name) for name in (images, labels))
        if x.ndim != 3 or y.shape != x.shape[:1]:
            raise DatasetError(f"{path}: {images} has shape {x.shape} and {labels} {y.shape}; a label a picture")
        parts.append(Labelled(x[:, None], y.astype(np.int64)))
    if parts[0].x.shape[1:] != parts[1].x.shape[1:]:
        raise DatasetError(
            f"{path}: pictures to train and to test are {parts[0].x.shape[2:]} and {parts[1].x.shape[2:]}"
        )
    numbers = np.unique(np.concatenate([each.y for each in parts]))
    parts = [Labelled(each.x, np.searchsorted(numbers, each.y)) for each in parts]
    return OwnData(tuple(map(str, numbers.tolist())), parts[0], parts[1])


def _idx_file(path: Path, name: str) -> np.ndarray:
    file = next((each for each in (path / f"{name}.gz", path / name) if each.is_file()), None)
    if file is None:
        raise DatasetError(f"{path} lacks {name} or {name}.gz; all four files of IDX data are needed")
    data = file.read_bytes()
    return parse_idx(unzipped_idx(data, str(file)) if file.suffix == ".gz" else data, str(file))


# -- numbers


def _loaded(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of an .npz that are there."""
    try:
        return unpacked_arrays(path, names)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read as .npz: {error}") from None


def _arrays(path: Path) -> OwnData:
    arrays = _loaded(path, ("x", "y", "x_test", "y_test"))
    for name in ("x", "y", *(("x_test", "y_test") if "x_test" in arrays or "y_test" in arrays else ())):
        if name not in arrays:
            raise DatasetError(f"{path} must have x and y, and x_test with y_test; {name} is missing")
    for name in ("y", "y_test"):
        if name in arrays and arrays[name].dtype.kind == "S":
            arrays[name] = np.char.decode(arrays[name], "utf-8", "replace")
    names = sorted(
        {str(each) for name in ("y", "y_test") if name in arrays for each in arrays[name].ravel()}, key=_natural
    )
    ends = [end for end in ("", "_test") if f"x{end}" in arrays]
    for end in ends:
        if arrays[f"x{end}"].ndim < 2:
            raise DatasetError(f"{path}: x{end} must be of samples and their numbers, not {arrays[f'x{end}'].shape}")
    parts = [_labelled(path, arrays[f"x{end}"], arrays[f"y{end}"], names, end) for end in ends]
    if parts[0].x.shape[1:] != parts[-1].x.shape[1:]:
        raise DatasetError(
            f"{path}: samples of x and x_test have shapes {parts[0].x.shape[1:]}, {parts[-1].x.shape[1:]}"
        )
    columns = tuple(f"column {place}" for place in range(1, parts[0].x.shape[1] + 1)) if parts[0].x.ndim == 2 else ()
    return OwnData(tuple(names), parts[0], parts[1] if len(parts) > 1 else None, columns)


def _labelled(path: Path, x: np.ndarray, y: np.ndarray, names: Sequence[str], end: str) -> Labelled:
    if y.shape != x.shape[:1]:
        raise DatasetError(f"{path}: y{end} must be a label for each of {len(x)} samples, not of shape {y.shape}")
    if y.dtype.kind not in "iubU":
        raise DatasetError(f"{path}: y{end} must be integers or names, not {y.dtype}")
    places = {name: place for place, name in enumerate(names)}
    classes = np.array([places[str(each)] for each in y], np.int64)
    if x.ndim == 2 and x.dtype.kind in "iubf":
        with np.errstate(over="ignore"):  # of numbers that are longer
            bad = np.argwhere(~np.isfinite(x.astype(np.float64)))
        if len(bad):
            raise DatasetError(f"{path}: x{end} has no number in row {bad[0][0]}, column {bad[0][1]}")
        return Labelled(x.astype(np.float64), classes)
    if x.dtype == np.uint8 and x.ndim == 3:
        return Labelled(x[:, None], classes)
    if x.dtype == np.uint8 and x.ndim == 4 and (x.shape[1] in (1, 3) or x.shape[3] in (1, 3)):
        last = x.shape[3] in (1, 3)  # where both could be channels, they are behind, as pictures have them
        return Labelled(np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if last else x, classes)
    raise DatasetError(
        f"{path}: x{end} must be rows of numbers (n, columns), or pictures (n, rows, columns) of uint8, with one or "
        f"three channels before or after; not {x.shape} of {x.dtype}"
    )


def _table(path: Path, label: str | None, drop: Sequence[str]) -> OwnData:
    table = Table.read(path)
    width = len(table.rows[0]) if not table.names else len(table.names)
    twice = [name for place, name in enumerate(table.names) if name in table.names[:place]]
    if twice:
        raise DatasetError(f"{path} has several columns {twice[0]!r}")
    names = table.names or tuple(f"column {place}" for place in range(1, width + 1))
    for number, row in enumerate(table.rows, 1):
        if len(row) != width:
            raise DatasetError(f"{path}: row {number} must have {width} columns, not {len(row)}")
    wanted = LABEL if label is None else label
    at = next((place for place, name in enumerate(names) if name == wanted or name.lower() == wanted.lower()), None)
    if at is None:
        some = f"{', '.join(names[:SHOWN])}{' ...' * (len(names) > SHOWN)}"
        raise DatasetError(f"{path} has no column {wanted!r} that says the class; name one with --label ({some})")
    for name in drop:
        if name not in names:
            raise DatasetError(f"{path} has no column {name!r} to be dropped")
    kept = [place for place, name in enumerate(names) if place != at and name not in drop]
    if not kept:
        raise DatasetError(f"{path} has no column beside {names[at]!r}")
    x = np.array([[_number(path, table, row, place, names) for place in kept] for row in range(len(table.rows))])
    words = [row[at].strip() for row in table.rows]
    if "" in words:
        raise DatasetError(f"{path}: row {words.index('') + 1} has no label in column {names[at]!r}")
    classes = sorted(set(words), key=_natural)
    places = {name: place for place, name in enumerate(classes)}
    y = np.array([places[word] for word in words], np.int64)
    return OwnData(tuple(classes), Labelled(x, y), columns=tuple(names[place] for place in kept))


def _number(path: Path, table: Table, row: int, place: int, names: Sequence[str]) -> float:
    word = table.rows[row][place]
    value = number_of(word, table.separator)
    if value is None or not np.isfinite(value):
        what = f"holds {word.strip()!r}, which is no number" if word.strip() else "is empty"
        raise DatasetError(
            f"{path}: column {names[place]!r} {what} in row {row + 1}; mend it, or leave the column out with --drop"
        )
    return value
