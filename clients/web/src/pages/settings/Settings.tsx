import { PageHead } from "../../ui/parts";

export default function Settings() {
  return <PageHead title="Settings" />;
}
