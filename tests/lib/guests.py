# SPDX-License-Identifier: Apache-2.0
"""Tiny guests of a cloud: reached by ssh as a user would, with the key that the quickstart left."""
import subprocess

from cloud import Cloud, wait_for

SSH = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5",
       "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]


class GuestCloud(Cloud):
    """A cloud with its demonstration: image, key pair, open port 22, one VM."""

    def start(self):
        done = self.quickstart("--nodes", str(self.nodes), "--zones", str(self.zones))
        self.env = self.read_env()
        return done.stdout

    @property
    def image(self):
        return self.env["MALLEE_DEMO_IMAGE"]

    def demo(self):
        answer = self.ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["demo"]},
                                                      {"Name": "instance-state-name", "Values": ["running"]}])
        return answer["Reservations"][0]["Instances"][0]["InstanceId"]

    def launch(self, count=1, **more):
        """Ids of tiny guests that are being launched with the demonstration's key."""
        answer = self.ec2.run_instances(ImageId=self.image, MinCount=count, MaxCount=count, KeyName="demo", **more)
        return [i["InstanceId"] for i in answer["Instances"]]

    def public(self, instance):
        return self.instances([instance])[instance]["PublicIpAddress"]

    def private(self, instance):
        return self.instances([instance])[instance]["PrivateIpAddress"]

    def ssh(self, address, command, seconds=20, check=True):
        done = subprocess.run(["ssh", "-i", self.env["MALLEE_DEMO_KEY"], *SSH, f"root@{address}", command],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=seconds, check=False)
        if check:
            assert done.returncode == 0, f"ssh {address} {command!r}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout if check else done.returncode

    def answers(self, address):
        try:
            return self.ssh(address, "true", 10, check=False) == 0
        except subprocess.TimeoutExpired:
            return False

    def wait_ssh(self, addresses, seconds=150):
        for address in addresses:
            wait_for(f"ssh of {address}", lambda a=address: self.answers(a), seconds, 1)

    def metadata(self, address, path):
        """What the guest at that address is told when it asks without a token."""
        return self.ssh(address, f"wget -q -O - http://169.254.169.254/latest/{path}")
