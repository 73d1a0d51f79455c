"""What Azure's Python SDK must be able to do. Run by python.sdk.ts, which serves the registry and sets the variables.

ENDPOINT is the registry, PRINCIPALS a JSON object from a name to its token of the directory, OPEN a repository that
anybody may pull.
"""

import hashlib
import io
import json
import os
import time
import unittest

from azure.containerregistry import (
    ArtifactManifestOrder,
    ArtifactManifestProperties,
    ArtifactTagOrder,
    ContainerRegistryClient,
)
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

ENDPOINT = os.environ["ENDPOINT"]
OPEN = os.environ["OPEN"]
PRINCIPALS = json.loads(os.environ["PRINCIPALS"])
AUDIENCE = "https://management.azure.com"
MIB = 1024 * 1024
START = time.time()


class Someone:
    """A credential as azure-identity has them."""

    def __init__(self, name):
        self.token = PRINCIPALS[name]
        self.asked = []

    def get_token(self, *scopes, **_):
        self.asked.extend(scopes)
        return AccessToken(self.token, int(time.time()) + 3600)


def client_of(name):
    return ContainerRegistryClient(ENDPOINT, Someone(name), audience=AUDIENCE)


def anonymous():
    return ContainerRegistryClient(ENDPOINT, None, audience=AUDIENCE)


def push(client, repository, tag):
    """Pushes an image of one layer; its manifest, digest and layer."""
    config, size = client.upload_blob(repository, io.BytesIO(b"{}"))
    layer, length = client.upload_blob(repository, io.BytesIO(os.urandom(2000)))
    manifest = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config,
            "size": size,
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer,
                "size": length,
            }
        ],
    }
    return manifest, client.set_manifest(repository, manifest, tag=tag), layer


class Case(unittest.TestCase):
    def refused(self, status, call, *args, **named):
        with self.assertRaises(HttpResponseError) as caught:
            call(*args, **named)
        self.assertEqual(caught.exception.status_code, status)


class Content(Case):
    def test_large_blob_comes_back_as_it_went(self):
        with client_of("pusher") as client:
            data = os.urandom(10 * MIB)
            digest, size = client.upload_blob("python/blob", io.BytesIO(data))
            self.assertEqual(digest, "sha256:" + hashlib.sha256(data).hexdigest())
            self.assertEqual(size, len(data))
            got = b"".join(client.download_blob("python/blob", digest))
            self.assertTrue(got == data)

    def test_manifests_and_blobs_are_set_read_and_deleted(self):
        with client_of("keeper") as client:
            manifest, digest, layer = push(client, "python/image", "v1")
            for reference in ("v1", digest):
                found = client.get_manifest("python/image", reference)
                self.assertEqual(found.digest, digest)
                self.assertEqual(found.manifest, manifest)
                self.assertEqual(
                    found.media_type, "application/vnd.oci.image.manifest.v1+json"
                )
            client.delete_manifest("python/image", digest)
            client.delete_manifest("python/image", digest)
            with self.assertRaises(ResourceNotFoundError):
                client.get_manifest("python/image", "v1")
            client.delete_blob("python/image", layer)
            with self.assertRaises(ResourceNotFoundError):
                list(client.download_blob("python/image", layer))

    def test_one_client_moves_between_repositories_and_rights(self):
        someone = Someone("keeper")
        with ContainerRegistryClient(ENDPOINT, someone, audience=AUDIENCE) as client:
            _, first, _ = push(client, "python/first", "v1")
            _, second, _ = push(client, "python/second", "v1")
            self.assertEqual(client.get_manifest("python/first", "v1").digest, first)
            client.delete_manifest("python/first", first)
            self.assertIn("python/second", list(client.list_repository_names()))
            self.assertEqual(client.get_manifest("python/second", "v1").digest, second)
        self.assertEqual(set(someone.asked), {AUDIENCE + "/.default"})

    def test_roles_decide(self):
        with client_of("pusher") as client:
            _, digest, _ = push(client, "python/roles", "v1")
            self.refused(401, client.delete_manifest, "python/roles", digest)
        with client_of("reader") as client:
            self.assertEqual(client.get_manifest("python/roles", "v1").digest, digest)
            self.refused(401, client.upload_blob, "python/roles", io.BytesIO(b"x"))
            self.refused(401, client.delete_manifest, "python/roles", digest)
        with client_of("nobody") as client:
            self.refused(401, client.get_manifest, "python/roles", "v1")
            self.refused(401, list, client.list_repository_names())

    def test_repositories_are_listed_by_pages(self):
        with client_of("pusher") as client:
            for name in ("python/list-a", "python/list-b", "python/list-c"):
                push(client, name, "v1")
            names = list(client.list_repository_names())
            self.assertEqual(names, sorted(names))
            pages = client.list_repository_names(results_per_page=2).by_page()
            sizes = []
            paged = []
            for page in pages:
                found = list(page)
                sizes.append(len(found))
                paged.extend(found)
            self.assertEqual(paged, names)
            self.assertEqual(set(sizes[:-1]), {2})

    def test_anybody_pulls_what_is_open_and_nothing_else(self):
        with client_of("pusher") as client:
            _, digest, layer = push(client, OPEN, "v1")
            push(client, "python/closed", "v1")
        with anonymous() as client:
            self.assertEqual(client.get_manifest(OPEN, "v1").digest, digest)
            self.assertEqual(len(b"".join(client.download_blob(OPEN, layer))), 2000)
            self.refused(401, client.get_manifest, "python/closed", "v1")
            self.refused(401, client.upload_blob, OPEN, io.BytesIO(b"x"))

    def test_a_token_for_another_is_refused(self):
        with client_of("stranger") as client:
            self.refused(401, client.get_manifest, OPEN, "v1")


def rights(properties):
    """What may be done with something: delete, write, read, list."""
    return (
        properties.can_delete,
        properties.can_write,
        properties.can_read,
        properties.can_list,
    )


FREE = (True, True, True, True)


class Properties(Case):
    def test_properties_of_repository_tag_and_manifest_are_read(self):
        with client_of("owner") as client:
            name = "python/properties"
            _, digest, _ = push(client, name, "v1")
            repository = client.get_repository_properties(name)
            self.assertEqual(repository.name, name)
            self.assertEqual(
                (repository.manifest_count, repository.tag_count), (1, 1)
            )
            tag = client.get_tag_properties(name, "v1")
            self.assertEqual((tag.name, tag.digest), ("v1", digest))
            for reference in ("v1", digest):
                manifest = client.get_manifest_properties(name, reference)
                self.assertEqual(manifest.digest, digest)
                self.assertEqual(manifest.tags, ["v1"])
                self.assertEqual(manifest.size_in_bytes, 2000)
                self.assertLessEqual(manifest.created_on, manifest.last_updated_on)
            for found in (repository, tag, manifest):
                self.assertEqual(rights(found), FREE)
                self.assertGreater(found.last_updated_on.timestamp(), START - 1)

    def test_tags_and_manifests_are_listed_by_time_and_by_pages(self):
        with client_of("owner") as client:
            name = "python/ordered"
            pushed = ["c", "a", "b"]
            digests = [push(client, name, tag)[1] for tag in pushed]
            for tag_order, manifest_order, tags, manifests in (
                (None, None, sorted(pushed), sorted(digests)),
                (
                    ArtifactTagOrder.LAST_UPDATED_ON_ASCENDING,
                    ArtifactManifestOrder.LAST_UPDATED_ON_ASCENDING,
                    pushed,
                    digests,
                ),
                (
                    ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING,
                    ArtifactManifestOrder.LAST_UPDATED_ON_DESCENDING,
                    pushed[::-1],
                    digests[::-1],
                ),
            ):
                options = {"order_by": tag_order} if tag_order else {}
                pages = client.list_tag_properties(
                    name, results_per_page=2, **options
                ).by_page()
                found = [[tag.name for tag in page] for page in pages]
                self.assertEqual(found, [tags[:2], tags[2:]])
                options = {"order_by": manifest_order} if manifest_order else {}
                pages = client.list_manifest_properties(
                    name, results_per_page=2, **options
                ).by_page()
                found = [[manifest.digest for manifest in page] for page in pages]
                self.assertEqual(found, [manifests[:2], manifests[2:]])

    def test_rights_are_taken_and_given_back_one_by_one(self):
        with client_of("owner") as client:
            name = "python/rights"
            _, digest, _ = push(client, name, "v1")
            updates = (
                lambda **more: client.update_repository_properties(name, **more),
                lambda **more: client.update_tag_properties(name, "v1", **more),
                lambda **more: client.update_manifest_properties(name, "v1", **more),
                lambda **more: client.update_manifest_properties(
                    name, digest, ArtifactManifestProperties(**more)
                ),
            )
            for update in updates:
                self.assertEqual(
                    rights(update(can_delete=False)), (False, True, True, True)
                )
                self.assertEqual(
                    rights(update(can_write=False)), (False, False, True, True)
                )
                self.assertEqual(
                    rights(update(can_delete=True, can_write=True)), FREE
                )
            client.update_tag_properties(name, "v1", can_delete=False)
            self.assertEqual(rights(client.get_manifest_properties(name, "v1")), FREE)

    def test_what_is_locked_is_not_deleted_until_it_is_unlocked(self):
        with client_of("owner") as client:
            name = "python/locked"
            _, digest, _ = push(client, name, "v1")
            client.update_tag_properties(name, "v1", can_delete=False)
            self.refused(405, client.delete_tag, name, "v1")
            self.refused(405, client.delete_repository, name)
            client.update_tag_properties(name, "v1", can_delete=True)
            client.update_manifest_properties(name, digest, can_delete=False)
            self.refused(405, client.delete_manifest, name, digest)
            self.refused(405, client.delete_repository, name)
            client.update_manifest_properties(name, digest, can_delete=True)
            client.update_repository_properties(name, can_read=False)
            self.refused(405, client.get_manifest, name, "v1")
            client.update_repository_properties(name, can_read=True)
            self.assertEqual(client.get_manifest(name, "v1").digest, digest)
            client.delete_repository(name)
            self.refused(404, client.get_repository_properties, name)

    def test_tags_manifests_and_repositories_are_deleted_once_and_again(self):
        with client_of("owner") as client:
            name = "python/delete"
            _, digest, _ = push(client, name, "v1")
            push(client, name, "v2")
            for _ in range(2):
                client.delete_tag(name, "v1")
            self.refused(404, client.get_tag_properties, name, "v1")
            self.assertFalse(client.get_manifest_properties(name, digest).tags)
            client.delete_manifest(name, "v2")
            self.assertEqual(client.get_repository_properties(name).manifest_count, 1)
            for _ in range(2):
                client.delete_repository(name)
            self.assertNotIn(name, list(client.list_repository_names()))

    def test_roles_decide_about_properties(self):
        with client_of("owner") as client:
            push(client, "python/roles-change", "v1")
        with client_of("reader") as client:
            name = "python/roles-change"
            self.assertEqual(client.get_repository_properties(name).tag_count, 1)
            self.refused(
                401, client.update_repository_properties, name, can_delete=False
            )
            self.refused(401, client.delete_tag, name, "v1")
            self.refused(401, client.delete_repository, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
