"""Poolings against plain loops written from the papers (`pooling_oracles`), and by how their results must relate."""

import io
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from extractor.pooling import POOLINGS, channel_sums, gap, gem, gmp, rmac_regions, scda, select_channels
from tests.extractor import pooling_oracles

NAMES = list(POOLINGS)
EXPORTABLE = ["gap", "gmp", "gem", "spoc", "crow", "rmac"]
SHAPES = [(1, 1), (2, 2), (2, 3), (7, 7), (9, 14), (14, 9), (1, 6), (5, 9), (2, 17)]
OPTIONS: dict[str, dict[str, Any]] = {"pwa": {"channels": (3, 0)}}
OTHER_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("gem", {"p": 0.5}),
    ("gem", {"p": 6.0, "eps": 0.2}),
    ("spoc", {"sigma": 0.8}),
    ("crow", {"a": 3.0, "b": 1.0}),
    ("crow", {"a": 1.0, "b": 4.0}),
    ("rmac", {"levels": 1}),
    ("rmac", {"levels": 5}),
    ("pwa", {"channels": [1], "alpha": 1.5, "beta": 3.0}),
]
quick = settings(max_examples=30, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_maps(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Activations as a rectified layer gives them: about half are zero."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).relu().to(dtype)


def pooling(name: str) -> Callable[[Tensor], Tensor]:
    return partial(POOLINGS[name], **OPTIONS.get(name, {}))


def expected(name: str, maps: Tensor, **options: Any) -> np.ndarray:
    return np.stack([pooling_oracles.ORACLES[name](picture, **options) for picture in maps.double().numpy()])


def assert_close(found: Tensor, wanted: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=tolerance, atol=tolerance)


seeds = st.integers(0, 10**6)
any_maps = st.builds(
    random_maps, st.integers(1, 3), st.integers(4, 8), st.integers(1, 9), st.integers(1, 9), seed=seeds
)


# ---- against the papers


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_pooling_agrees_with_its_paper(name: str, shape: tuple[int, int], dtype: torch.dtype) -> None:
    maps = random_maps(3, 5, *shape, seed=sum(shape), dtype=dtype)
    vectors = pooling(name)(maps)
    assert vectors.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_close(vectors, expected(name, maps, **OPTIONS.get(name, {})), 1e-12 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize(("name", "options"), OTHER_OPTIONS, ids=str)
def test_options_mean_what_the_papers_say(name: str, options: dict[str, Any]) -> None:
    for shape in [(7, 7), (6, 11)]:
        maps = random_maps(2, 4, *shape, seed=5)
        assert_close(POOLINGS[name](maps, **options), expected(name, maps, **options))


@quick
@given(any_maps, st.sampled_from(NAMES))
def test_a_pooling_agrees_with_its_paper_on_any_maps(maps: Tensor, name: str) -> None:
    assert_close(pooling(name)(maps), expected(name, maps, **OPTIONS.get(name, {})))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 0.9), seeds)
def test_the_object_of_scda_is_what_a_flood_fill_finds(height: int, width: int, density: float, seed: int) -> None:
    # Few values, so that components are ragged and often equally large.
    drawn = np.random.default_rng(seed).random((2, 1, height, width)) < density
    # The second channel tells which were chosen, in steps so small and round that they decide nothing else.
    tags = np.broadcast_to(np.arange(height * width).reshape(height, width) / 2**20, drawn.shape)
    maps = torch.from_numpy(np.concatenate([drawn, tags], axis=1))
    assert_close(scda(maps), expected("scda", maps), 1e-12)


def test_scda_follows_a_spiral_to_its_end() -> None:
    spiral = [
        "#########",
        "........#",
        "#######.#",
        "#.....#.#",
        "#.###.#.#",
        "#.#...#.#",
        "#.#####.#",
        "#.......#",
        "#########",
    ]
    maps = torch.tensor([[[[float(mark == "#") for mark in row] for row in spiral]]])
    assert_close(scda(maps), [[1.0, 1.0]])
    assert_close(scda(maps + 2 * maps.flip(-1)), expected("scda", maps + 2 * maps.flip(-1)))


def test_corners_connect_and_equal_objects_give_way_to_the_first() -> None:
    first, second = [(0, 0), (1, 1), (2, 2)], [(0, 4), (1, 4), (2, 4)]
    for chosen, other in [(first, second), (first, second[:2])]:
        maps = torch.zeros(1, 2, 3, 5)
        for height, place in enumerate(chosen + other):
            maps[(0, 0, *place)] = 10 + height
        assert_close(scda(maps), [[11, 0, 12, 0]])


def test_a_flat_picture_keeps_all_its_positions_beside_others() -> None:
    maps = torch.cat([torch.ones(1, 2, 3, 4), random_maps(1, 2, 3, 4), torch.zeros(1, 2, 3, 4)])
    assert_close(scda(maps), expected("scda", maps))


def test_rounding_does_not_choose_the_object() -> None:
    maps = torch.tensor([[[[2.0**24, 2.0**24, 2.0**24]], [[0.0, 0.0, 1.0]]]])  # in float32 the sums are all alike
    assert_close(scda(maps)[:, 1], [1.0])


# ---- R-MAC's grid


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_regions_are_those_of_the_paper(levels: int) -> None:
    for height in range(1, 24):
        for width in range(1, 24):
            found = list(rmac_regions(height, width, levels, 0.4))
            assert found == pooling_oracles.regions(height, width, levels), (height, width)


@pytest.mark.parametrize("overlap", ["0", "0.25", "0.7"])
def test_regions_overlap_as_asked(overlap: str) -> None:
    for height, width in [(6, 6), (6, 10), (25, 7), (4, 40)]:
        found = list(rmac_regions(height, width, 3, float(overlap)))
        assert found == pooling_oracles.regions(height, width, 3, overlap), (height, width)


def test_the_grid_of_a_square_map_is_known() -> None:
    coarse = [(0, 0, 7)]
    middle = [(top, left, 4) for top in (0, 3) for left in (0, 3)]
    fine = [(top, left, 3) for top in (0, 2, 4) for left in (0, 2, 4)]
    assert list(rmac_regions(7, 7, 3, 0.4)) == coarse + middle + fine


def test_regions_leave_nothing_of_the_map_out() -> None:
    for height, width in [(1, 1), (7, 7), (9, 14), (14, 9), (3, 40)]:
        seen = np.zeros((height, width), bool)
        for top, left, size in rmac_regions(height, width, 1, 0.4):
            seen[top : top + size, left : left + size] = True
        assert seen.all(), (height, width)


# ---- values that break formulas


@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0, 1e15])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_constant_maps_stay_finite(name: str, shape: tuple[int, int], value: float) -> None:
    for dtype in [torch.float32, torch.float64]:
        assert pooling(name)(torch.full((2, 4, *shape), value, dtype=dtype)).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_negative_activations_stay_finite(name: str) -> None:
    for maps in [torch.randn(2, 5, 7, 7, generator=torch.Generator().manual_seed(0)), torch.full((2, 5, 7, 7), -1.0)]:
        assert pooling(name)(maps).isfinite().all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"gem"}))
def test_a_map_of_zeros_gives_zeros(name: str) -> None:
    assert not pooling(name)(torch.zeros(2, 5, 4, 6)).any()


def test_gem_counts_what_is_below_eps_as_eps() -> None:
    maps = torch.tensor([[[[-8.0, 2.0]], [[-1.0, 0.0]]]])
    assert_close(gem(maps, p=3), [[4 ** (1 / 3), 1e-6]])
    assert_close(gem(maps, p=1, eps=0.5), [[1.25, 0.5]])


@pytest.mark.parametrize("value", [0.25, 1.0, 3.0])
def test_constant_maps_are_known(value: float) -> None:
    maps = torch.full((1, 4, 5, 6), value)
    for name in ["gap", "gmp", "gem"]:
        assert_close(pooling(name)(maps), [[value] * 4])
    assert_close(scda(maps), [[value] * 8])
    assert_close(pooling("rmac")(maps), [[len(list(rmac_regions(5, 6, 3, 0.4))) / 2] * 4])


def test_a_dead_channel_of_crow_is_zero_and_a_rare_one_outweighs_a_common_one() -> None:
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 0] = 0.25
    maps[0, 1, 2, 2] = 4.0
    common, rare, dead = pooling("crow")(maps)[0].tolist()
    assert rare > common > 0
    assert dead == 0


# ---- relations


@quick
@given(any_maps)
def test_gem_lies_between_the_average_and_the_maximum(maps: Tensor) -> None:
    maps = maps + 0.01
    assert_close(gem(maps, p=1), gap(maps))
    assert_close(gem(maps, p=1e5), gmp(maps), 1e-3)
    rising = torch.stack([gem(maps, p=p) for p in (1, 2, 3, 8, 40)] + [gmp(maps)])
    assert (rising.diff(dim=0) >= -1e-5).all()


@pytest.mark.parametrize(
    ("name", "degree"),
    [("gap", 1), ("gmp", 1), ("gem", 1), ("spoc", 1), ("crow", 1), ("rmac", 0), ("scda", 1), ("pwa", 1)],
)
@pytest.mark.parametrize("factor", [1e-4, 0.5, 7.0, 1e6])
def test_scaled_maps_scale_the_vector_or_leave_it(name: str, degree: int, factor: float) -> None:
    maps = random_maps(2, 5, 6, 8) + (0.1 if name == "gem" else 0)
    assert_close(pooling(name)(maps * factor) / factor**degree, pooling(name)(maps), 1e-4)


@quick
@given(any_maps, st.sampled_from(NAMES))
def test_a_batch_equals_one_by_one(maps: Tensor, name: str) -> None:
    together = pooling(name)(maps)
    assert_close(together, torch.cat([pooling(name)(picture[None]) for picture in maps]), 1e-6)
    assert_close(pooling(name)(maps.flip(0)), together.flip(0), 1e-6)


def dim(name: str, channels: int) -> int:
    """Numbers of a vector, by the papers."""
    return channels * {"scda": 2, "pwa": len(OPTIONS["pwa"]["channels"])}.get(name, 1)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_gives_no_vectors(name: str) -> None:
    assert pooling(name)(torch.zeros(0, 5, 4, 6)).shape == (0, dim(name, 5))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"scda", "pwa"}))
def test_shuffled_channels_shuffle_the_vector(name: str) -> None:
    maps, order = random_maps(2, 5, 6, 8), torch.tensor([3, 1, 4, 0, 2])
    assert_close(pooling(name)(maps[:, order]), pooling(name)(maps)[:, order])


def test_shuffled_channels_shuffle_each_block_of_scda_and_pwa() -> None:
    maps, order = random_maps(2, 5, 6, 8), torch.tensor([3, 1, 4, 0, 2])
    assert_close(scda(maps[:, order]), scda(maps).view(2, 2, 5)[..., order].flatten(1))
    moved = [order.tolist().index(channel) for channel in (3, 0)]
    blocks = pooling("pwa")(maps).view(2, 2, 5)[..., order].flatten(1)
    assert_close(POOLINGS["pwa"](maps[:, order], channels=moved), blocks)


def difference(name: str, change: Callable[[Tensor], Tensor], maps: Tensor) -> float:
    return float((pooling(name)(change(maps)) - pooling(name)(maps)).abs().max())


def shuffled(maps: Tensor) -> Tensor:
    order = torch.randperm(maps[0, 0].numel(), generator=torch.Generator().manual_seed(1))
    return maps.flatten(2)[..., order].view_as(maps)


@pytest.mark.parametrize("name", NAMES)
def test_only_spoc_rmac_and_scda_see_where_things_are(name: str) -> None:
    seen = difference(name, shuffled, random_maps(2, 5, 6, 8)) > 1e-4
    assert seen == (name in {"spoc", "rmac", "scda"})


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"rmac"}))
def test_a_mirrored_map_gives_the_same_vector(name: str, axis: int) -> None:
    for shape in [(7, 7), (6, 9), (1, 4)]:
        assert difference(name, lambda maps: maps.flip(axis), random_maps(2, 5, *shape)) < 1e-5


def test_rmac_is_mirrored_only_where_its_grid_is() -> None:
    def mirror(maps: Tensor) -> Tensor:
        return maps.flip(-1)

    assert difference("rmac", mirror, random_maps(2, 5, 7, 7)) < 1e-5
    assert difference("rmac", mirror, random_maps(2, 5, 10, 10)) > 1e-4  # starts of the finest level: 0, 2, 5


def test_the_centre_weighs_most_in_spoc() -> None:
    def seen_at(row: int, column: int) -> float:
        maps = torch.zeros(1, 1, 7, 9)
        maps[0, 0, row, column] = 1
        return float(pooling("spoc")(maps))

    assert seen_at(3, 4) == 1
    assert seen_at(3, 4) > seen_at(3, 5) == seen_at(2, 4) > seen_at(2, 5) > seen_at(0, 0) > 0


@quick
@given(any_maps)
def test_rmac_of_one_level_of_a_square_map_is_the_normalised_maximum(maps: Tensor) -> None:
    side = min(maps.shape[-2:])
    square = maps[..., :side, :side]
    assert_close(POOLINGS["rmac"](square, levels=1), torch.nn.functional.normalize(gmp(square)))


@pytest.mark.parametrize("name", NAMES)
def test_maps_are_left_as_they_were(name: str) -> None:
    maps = random_maps(2, 5, 4, 6)
    pooling(name)(maps)
    assert torch.equal(maps, random_maps(2, 5, 4, 6))


@pytest.mark.parametrize("name", NAMES)
def test_strides_and_autocast_change_nothing(name: str) -> None:
    maps = random_maps(2, 5, 4, 6)
    assert_close(pooling(name)(maps.contiguous(memory_format=torch.channels_last)), pooling(name)(maps), 1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = pooling(name)(maps)
    assert_close(vectors, pooling(name)(maps), 1e-6)


@pytest.mark.parametrize("name", EXPORTABLE)
def test_vectors_lie_where_the_maps_do(name: str) -> None:
    # The one device besides the CPU that every machine has. It holds no values for scda and has no autocast for pwa.
    assert pooling(name)(torch.zeros(2, 5, 4, 6, device="meta")).device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_cuda_agrees_with_the_cpu(name: str) -> None:
    maps = random_maps(3, 5, 9, 14)
    assert_close(pooling(name)(maps.cuda()).cpu(), pooling(name)(maps))


# ---- PWA's channels, dimensions, refusals


def test_channels_that_vary_most_are_selected() -> None:
    maps = random_maps(40, 6, 3, 4, seed=2) * torch.tensor([1.0, 5, 0, 3, 4, 2])[:, None, None]
    sums = torch.cat([channel_sums(batch) for batch in maps.split(16)])
    variances = maps.double().numpy().sum(axis=(2, 3)).var(axis=0)
    assert select_channels(sums, 3) == tuple(np.argsort(-variances)[:3].tolist())
    sums[:, 2] = 1000
    assert select_channels(sums, 6)[-1] == 2  # it is spread that counts, not size
    assert select_channels(torch.ones(5, 1000), 3) == (0, 1, 2)
    assert select_channels(sums.bfloat16(), 1) == select_channels(sums, 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_dimension_follows_the_channels(name: str) -> None:
    for channels in [4, 6]:
        assert pooling(name)(random_maps(2, channels, 3, 5)).shape == (2, dim(name, channels))


@pytest.mark.parametrize(
    ("name", "option", "values"),
    [
        ("gem", "p", [0, -1.0, float("nan")]),
        ("gem", "eps", [0, -1e-6, 1e-50]),
        ("spoc", "sigma", [0, -0.5, float("nan")]),
        ("crow", "a", [0, -2]),
        ("crow", "b", [0, -2]),
        ("rmac", "levels", [0, -1]),
        ("rmac", "overlap", [-0.1, 1.0, float("nan")]),
        ("pwa", "channels", [(), (5,), (-1,), (1, 1)]),
        ("pwa", "alpha", [0, -2]),
        ("pwa", "beta", [0, -2]),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(name: str, option: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=rf"^{option} must"):
            POOLINGS[name](torch.ones(1, 5, 3, 3), **OPTIONS.get(name, {}) | {option: value})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5, 3, 3), (1, 5, 0, 3), (1, 0, 3, 3), (1, 5)], ids=str)
def test_what_is_no_batch_of_maps_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="maps must be"):
        pooling(name)(torch.ones(shape))


def test_impossible_selections_are_refused() -> None:
    for sums, count, named in [
        (torch.ones(1, 4), 2, "sums"),
        (torch.ones(4), 2, "sums"),
        (torch.ones(3, 4), 5, "count"),
    ]:
        with pytest.raises(ValueError, match=f"^{named} must"):
            select_channels(sums, count)


# ---- ONNX


class Pooled(torch.nn.Module):
    def __init__(self, name: str):
        super().__init__()
        self.pool = pooling(name)

    def forward(self, maps: Tensor) -> Tensor:
        return self.pool(maps)


def exported(name: str, maps: Tensor) -> Any:
    import onnxruntime

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        dynamic = {"maps": {0: torch.export.Dim("batch")}}
        torch.onnx.export(Pooled(name), (maps,), file, dynamo=True, dynamic_shapes=dynamic, verbose=False)
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7, 7), (6, 9)], ids=str)
@pytest.mark.parametrize("name", EXPORTABLE)
def test_an_exported_pooling_gives_the_same_vectors(name: str, shape: tuple[int, int]) -> None:
    session = exported(name, random_maps(2, 5, *shape))
    for maps in [random_maps(3, 5, *shape, seed=4), torch.zeros(1, 5, *shape)]:
        (vectors,) = session.run(None, {session.get_inputs()[0].name: maps.numpy()})
        assert_close(vectors, pooling(name)(maps))
