// SPDX-License-Identifier: Apache-2.0
// The object store with the JavaScript SDK on its defaults: buffers, streams, parts. Prints "ok" at the end.
import assert from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteObjectsCommand,
  GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client, UploadPartCommand,
} from "@aws-sdk/client-s3";

const s3 = new S3Client({ endpoint: process.env.ENDPOINT, region: "us-east-1", forcePathStyle: true });
const Bucket = "from-js";
const send = (command) => s3.send(command);
const read = async (Key) => Buffer.from(await (await send(new GetObjectCommand({ Bucket, Key }))).Body.transformToByteArray());

await send(new CreateBucketCommand({ Bucket }));
for (const size of [0, 10, 20000, 300000, 3000000]) {
  const body = randomBytes(size);
  const put = await send(new PutObjectCommand({ Bucket, Key: `buffer-${size}`, Body: body, Metadata: { a: "b" } }));
  assert.equal(put.ETag, `"${createHash("md5").update(body).digest("hex")}"`);
  assert.ok(put.ChecksumCRC32);
  assert.ok((await read(`buffer-${size}`)).equals(body));

  const pieces = [];
  for (let at = 0; at < size; at += 70001) pieces.push(body.subarray(at, at + 70001));
  await send(new PutObjectCommand({ Bucket, Key: `stream-${size}`, Body: Readable.from(pieces), ContentLength: size }));
  assert.ok((await read(`stream-${size}`)).equals(body), `stream of ${size}`);
  const head = await send(new HeadObjectCommand({ Bucket, Key: `stream-${size}` }));
  assert.equal(head.ContentLength, size);
  assert.equal(head.ContentEncoding, undefined);
}

const parts = [randomBytes(5 << 20), randomBytes(6 << 20), randomBytes(7)];
const { UploadId } = await send(new CreateMultipartUploadCommand({ Bucket, Key: "parts", ChecksumAlgorithm: "CRC32" }));
const Parts = [];
for (const [i, Body] of parts.entries()) {
  const done = await send(new UploadPartCommand({ Bucket, Key: "parts", UploadId, PartNumber: i + 1, Body }));
  Parts.push({ PartNumber: i + 1, ETag: done.ETag, ChecksumCRC32: done.ChecksumCRC32 });
}
const complete = await send(new CompleteMultipartUploadCommand({ Bucket, Key: "parts", UploadId, MultipartUpload: { Parts } }));
assert.match(complete.ChecksumCRC32, /-3$/);
assert.ok((await read("parts")).equals(Buffer.concat(parts)));

await send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/parts` }));
const list = await send(new ListObjectsV2Command({ Bucket }));
assert.equal(list.KeyCount, 12);
const gone = await send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: list.Contents.map(({ Key }) => ({ Key })) } }));
assert.equal(gone.Deleted.length, 12);
await assert.rejects(read("copy"), { name: "NoSuchKey" });
console.log("ok");
