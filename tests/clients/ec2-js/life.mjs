// SPDX-License-Identifier: Apache-2.0
// The life of three guests, as a pinned @aws-sdk/client-ec2 sees it. Environment: that of DIR/env. Prints "ok" at the end.
import { execFileSync } from 'node:child_process';
import {
  EC2Client, RunInstancesCommand, DescribeInstancesCommand, GetConsoleOutputCommand, RebootInstancesCommand,
  TerminateInstancesCommand, waitUntilInstanceRunning, waitUntilInstanceTerminated,
} from '@aws-sdk/client-ec2';

const ec2 = new EC2Client({ region: process.env.AWS_DEFAULT_REGION, endpoint: process.env.AWS_ENDPOINT_URL_EC2 });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function ssh(address, command) {
  return execFileSync('ssh', ['-i', process.env.MALLEE_DEMO_KEY, '-o', 'StrictHostKeyChecking=no', '-o',
    'UserKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=5', '-o', 'LogLevel=ERROR', '-o', 'BatchMode=yes',
    `root@${address}`, command], { encoding: 'utf8', timeout: 20000, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

async function until(what, seconds, condition) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(1000);
  }
}

async function boots(id) {
  const { Output } = await ec2.send(new GetConsoleOutputCommand({ InstanceId: id }));
  const text = Buffer.from(Output ?? '', 'base64').toString();
  return [...text.matchAll(new RegExp(`mallee-tiny: ready ${id} boot=(\\d+)`, 'g'))].map((m) => Number(m[1]));
}

const made = await ec2.send(new RunInstancesCommand({
  ImageId: process.env.MALLEE_DEMO_IMAGE, MinCount: 3, MaxCount: 3, KeyName: 'demo',
}));
const InstanceIds = made.Instances.map((i) => i.InstanceId);
await waitUntilInstanceRunning({ client: ec2, maxWaitTime: 90, minDelay: 1, maxDelay: 2 }, { InstanceIds });
const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds }));
for (const { InstanceId, PublicIpAddress, PrivateIpAddress } of Reservations.flatMap((r) => r.Instances)) {
  const name = await until(`ssh of ${InstanceId}`, 150, () => ssh(PublicIpAddress, 'hostname'));
  if (name !== `ip-${PrivateIpAddress.replaceAll('.', '-')}`) throw new Error(`${InstanceId} calls itself ${name}`);
}
const [first] = InstanceIds;
await until('the first boot', 60, async () => (await boots(first)).join() === '1');
await ec2.send(new RebootInstancesCommand({ InstanceIds: [first] }));
await until('the second boot', 150, async () => (await boots(first)).join() === '1,2');
await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
await waitUntilInstanceTerminated({ client: ec2, maxWaitTime: 90, minDelay: 1, maxDelay: 2 }, { InstanceIds });
console.log('ok');
