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

from azure.containerregistry import ContainerRegistryClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

ENDPOINT = os.environ["ENDPOINT"]
OPEN = os.environ["OPEN"]
PRINCIPALS = json.loads(os.environ["PRINCIPALS"])
AUDIENCE = "https://management.azure.com"
MIB = 1024 * 1024


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


class Content(unittest.TestCase):
    def refused(self, status, call, *args, **named):
        with self.assertRaises(HttpResponseError) as caught:
            call(*args, **named)
        self.assertEqual(caught.exception.status_code, status)

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
