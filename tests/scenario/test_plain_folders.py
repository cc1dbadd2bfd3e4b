"""Why this exists: a repository is copied on, kept for years and read by many. What a restore has decrypted must never get
into one, and a restore that replaces a folder must not take the repository with it."""

import os

import pytest
from lib.folder_state import folder_state
from lib.product import Product

USAGE = 2


@pytest.fixture
def product(tmp):
    """With one backup of one file."""
    made = Product(tmp / "product")
    (tmp / "etc").mkdir()
    (tmp / "etc" / "a.yaml").write_text("a: 1\n")
    made.run("backup", "config", env={"CONFIG_PATHS": str(tmp / "etc")})
    (manifest,) = made.repository.glob("*.manifest.json")
    made.backup = manifest.name.removesuffix(".manifest.json")
    return made


def words_for(option, place):
    if option == "--target-dir":
        return "--target-dir", place
    if option == "--tablespace":
        return "--target-dir", "/nowhere/data", "--tablespace", f"16384={place}"
    words = "--components", "config", "--files-dir"
    return (*words, place) if option == "--files-dir" else (*words, "/nowhere/files", "--staging", place)


def refused(product, option, place, *more, because, backup="latest", env=None):
    """Before anything is written, also by a dry run: what is said."""
    before = folder_state(product.repository)
    for dry in ((), ("--dry-run",)):
        done = product.run("restore", "-f", backup, *words_for(option, place), *more, *dry, env=env, expect=USAGE)
        assert f"{option} {place} {because} the repository {product.repository}, and what is restored is not encrypted" in done.err
        assert f"hint: name another folder with {option}" in done.err
    assert folder_state(product.repository) == before and not os.path.exists("/nowhere")


@pytest.mark.parametrize("option", ["--target-dir", "--files-dir", "--staging", "--tablespace"])
def test_no_folder_of_a_restore_lies_in_the_repository_or_has_it_inside(product, tmp, option):
    repository = product.repository
    (tmp / "way").symlink_to(repository)
    (tmp / "above").symlink_to(tmp)
    (repository / "old").mkdir()
    for place in (repository, f"{repository}/", repository / "old", repository / "new" / "deep", repository / "log" / "..",
                  tmp / "way" / "new", tmp / "other" / ".." / "way", tmp / "way" / ".." / "repo" / "new", "repo/new"):
        refused(product, option, place, because="lies in")
    for place in (product.folder, tmp, tmp / "above" / "product", ".."):
        refused(product, option, place, "--force", because="has inside")


def test_beside_the_repository_is_far_enough(product, tmp):
    for number, place in enumerate((tmp / "product" / "repo-2", tmp / "product" / "rep", product.folder / "a" / "repo")):
        product.run("restore", "-f", "latest", *words_for("--files-dir", place))
        assert (place / "config").exists()
        staging = tmp / f"staging-{number}"
        product.run("restore", "-f", "latest", *words_for("--staging", staging))
        assert staging.exists()


def test_the_repository_may_be_the_one_of_this_run_alone(product, tmp):
    elsewhere = {"BACKUP_DIR": str(tmp / "elsewhere")}
    place = product.repository / "new"
    for more in (("--repository", product.repository), ("--repository", f"file://{product.repository}")):
        refused(product, "--files-dir", place, *more, because="lies in", env=elsewhere)
    refused(product, "--files-dir", place, because="lies in", backup=f"{product.repository}/{product.backup}", env=elsewhere)


def test_a_download_is_no_repository(product, tmp):
    (tmp / "downloads").mkdir()
    for path in product.repository.glob(f"{product.backup}*"):
        (tmp / "downloads" / path.name).write_bytes(path.read_bytes())
    place = tmp / "downloads" / "back"
    product.run("restore", "-f", tmp / "downloads" / product.backup, *words_for("--files-dir", place),
                env={"BACKUP_DIR": str(tmp / "elsewhere")})
    assert (place / "config").exists()


def test_what_was_prepared_is_not_published_into_a_repository_either(product, tmp):
    place = product.repository / "new"
    product.repository.rename(tmp / "away")
    product.run("restore", "-f", tmp / "away" / product.backup, *words_for("--files-dir", place), "--staging", tmp / "staging",
                env={"BACKUP_DIR": str(tmp / "away")})
    (tmp / "away").rename(product.repository)
    done = product.run("restore", "--resume", "--staging", tmp / "staging", expect=USAGE)
    assert f"--files-dir {place} lies in the repository {product.repository}" in done.err and not place.exists()


def test_a_private_server_does_not_work_in_the_repository(product):
    inside = {"TMPDIR": str(product.repository / "tmp"), "DATABASE_URL": "postgresql://localhost/app"}
    done = product.run("restore", "-f", "latest", env=inside, expect=USAGE)
    assert f"TMPDIR {product.repository}/tmp lies in the repository {product.repository}" in done.err
    assert "hint: name another folder with TMPDIR" in done.err
    around = product.run("restore", "-f", "latest", env=inside | {"TMPDIR": str(product.folder)}, expect=USAGE)
    assert "TMPDIR" not in around.err and "holds no database" in around.err
