"""Post-processing: each kind against its definition, saved and loaded, bound to the extractor that it was fitted on."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD

from extractor import BadModel, Extractor, ModelMissing, Transform, load_extractor
from extractor.interface import Vectors, normalised
from extractor.transform import KINDS, Kind, fit
from tests.extractor.samples import picture, settings

DIM = 24


def sample(count: int, seed: int = 0, dim: int = DIM) -> Vectors:
    """Unit vectors with a mean of their own, and spread more along some directions than along others."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(dim, dim)) * np.geomspace(1, 0.05, dim)
    return normalised(random.normal(size=(count, dim)) @ mixing.T + 1)


def expected(kind: str, train: Vectors, test: Vectors, dim: int) -> Vectors:
    """By scikit-learn, up to the sign of each direction."""
    if kind == "centre":
        return normalised(test - train.mean(axis=0))
    if kind.startswith("svd"):
        svd = TruncatedSVD(dim, algorithm="arpack").fit(train.astype(np.float64))
        spread = svd.singular_values_ / len(train) ** 0.5
        return normalised(svd.transform(test) / (spread if kind == "svd_whiten" else 1))
    pca = PCA(dim, whiten=kind == "pca_whiten", svd_solver="full").fit(train.astype(np.float64))
    return normalised(pca.transform(test))


@pytest.mark.parametrize("kind", KINDS)
def test_cosines_are_those_of_scikit_learn(kind: Kind) -> None:
    train, test = sample(300), sample(40, seed=1)
    dim = DIM if kind == "centre" else 10
    found, other = fit(train, kind, dim, "f")(test), expected(kind, train, test, dim)
    assert found.shape == other.shape == (40, dim)
    np.testing.assert_allclose(found @ found.T, other @ other.T, atol=1e-4)


def test_whitening_spreads_the_sample_evenly() -> None:
    train = sample(500)
    transform = fit(train, "pca_whiten", 12, "f")
    spread = ((train - transform.mean) @ transform.matrix).std(axis=0)
    assert spread == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_number_all_dimensions_that_the_sample_supports_are_kept(kind: Kind) -> None:
    assert fit(sample(300), kind, None, "f").matrix.shape == (DIM, DIM)
    few = fit(sample(9), kind, None, "f").matrix.shape[1]
    assert few == {"centre": DIM, "pca": 8, "pca_whiten": 8}.get(kind, 9)


@pytest.mark.parametrize(
    ("kind", "count", "dim", "message"),
    [
        ("pca", 300, DIM + 1, "300 pictures support 24 dimensions, not 25"),
        ("pca_whiten", 9, 9, "9 pictures support 8 dimensions, not 9: fit on more or keep fewer"),
        ("svd", 0, 1, "no pictures to fit on"),
        ("centre", 0, None, "no pictures to fit on"),
        ("centre", 9, 5, "centring keeps all 24 numbers"),
    ],
)
def test_a_sample_that_is_too_small_is_told(kind: Kind, count: int, dim: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(sample(count), kind, dim, "f")


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    transform = fit(sample(300), "pca_whiten", 10, "f")
    transform.save(tmp_path / "without ending")
    loaded = Transform.load(tmp_path / "without ending")
    assert (loaded.kind, loaded.base, loaded.name) == ("pca_whiten", "f", transform.name)
    np.testing.assert_array_equal(loaded(sample(5, seed=2)), transform(sample(5, seed=2)))


def thumbnails(tmp_path: Path, kind: Kind = "pca_whiten", dim: int | None = 16) -> Extractor:
    """The thumbnail extractor and a transform fitted on 60 of its vectors."""
    base = load_extractor(settings(name="thumbnail"))
    fit(base.embed([picture(seed) for seed in range(60)]), kind, dim, base.fingerprint).save(tmp_path / "t.npz")
    return load_extractor(settings(name="thumbnail", model_dir=tmp_path, transform="t.npz"))


def test_a_transform_is_part_of_the_extractor_and_of_its_fingerprint(tmp_path: Path) -> None:
    base, whole = load_extractor(settings(name="thumbnail")), thumbnails(tmp_path)
    images = [picture(seed) for seed in range(100, 103)]
    assert whole.dim == 16
    np.testing.assert_allclose(whole.embed(images), Transform.load(tmp_path / "t.npz")(base.embed(images)), atol=1e-6)
    name = Transform.load(tmp_path / "t.npz").name
    assert name.startswith("pca-whiten-16-")
    assert whole.fingerprint == base.fingerprint.replace("no-whitening", name)


def test_other_contents_have_other_fingerprints(tmp_path: Path) -> None:
    made: list[tuple[Kind, int | None]] = [("pca", 16), ("pca_whiten", 16), ("pca", 15), ("centre", None)]
    assert len({thumbnails(tmp_path, kind, dim).fingerprint for kind, dim in made}) == len(made)


def test_a_transform_of_another_extractor_is_refused(tmp_path: Path) -> None:
    fit(sample(60), "pca", 8, "another/extractor").save(tmp_path / "t.npz")
    with pytest.raises(BadModel, match=r"fitted on vectors of another/extractor; these are of thumbnail/.*fit_w"):
        load_extractor(settings(name="thumbnail", model_dir=tmp_path, transform="t.npz"))


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"there is no .*t\.npz: make it with scripts/fit_whitening\.py"):
        Transform.load(tmp_path / "t.npz")
    np.savez(tmp_path / "other.npz", mean=np.zeros(3))
    for name, content in [("empty", b""), ("text", b"hello"), ("zip", b"PK\x03\x04 broken")]:
        (tmp_path / name).write_bytes(content)
    good = {"kind": "pca", "base": "f", "mean": np.zeros(3, "f4"), "matrix": np.ones((3, 2), "f4")}
    np.savez(tmp_path / "good.npz", **good)
    assert Transform.load(tmp_path / "good.npz").kind == "pca"
    wrong = [{"mean": np.full(3, np.nan, "f4")}, {"mean": np.zeros(4, "f4")}, {"matrix": np.ones(3, "f4")}]
    wrong += [{"matrix": np.ones((3, 0), "f4")}, {"mean": np.array(["a", "b", "c"])}, {"kind": "magic"}]
    for number, change in enumerate(wrong):
        np.savez(tmp_path / f"{number}.npz", **good | change)
    for name in ("empty", "text", "zip", "other.npz", *(f"{number}.npz" for number in range(len(wrong)))):
        with pytest.raises(BadModel, match=r"was not made by scripts/fit_whitening\.py"):
            Transform.load(tmp_path / name)


def test_a_vector_at_the_very_mean_stays_a_unit_vector() -> None:
    transform = fit(sample(300), "pca", 10, "f")
    assert np.linalg.norm(transform(transform.mean[None])) == pytest.approx(1)
