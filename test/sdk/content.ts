import type { ContainerRegistryContentClient, OciImageManifest } from '@azure/container-registry';
import { isRestError } from '@azure/core-rest-pipeline';
import { noise } from '../support/sample.ts';

/** Pushes an image of one layer; its manifest and digest. */
export async function pushImage(client: ContainerRegistryContentClient, tag: string) {
  const config = await client.uploadBlob(Buffer.from('{}'));
  const layer = await client.uploadBlob(Buffer.from(noise(2000)));
  const manifest: OciImageManifest = {
    schemaVersion: 2,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config.digest, size: 2 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer.digest, size: 2000 }],
  };
  return { manifest, layer: layer.digest, ...(await client.setManifest(manifest, { tag })) };
}

/** Status of the error that a call of the SDK ends with. */
export async function statusOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return isRestError(error) ? error.statusCode : error;
  }
  return 'no error';
}
